//! Where the events of one trace go: bounded, and written without a lock.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::synchronize::{thread_id, unpoisoned};

/// What a thread did for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It ran the handler, for so many interrupts; with nothing to do where spurious.
    Handler { count: u64, spurious: bool },
    /// It waited to run the handler.
    HandlerWait,
    /// It was in a section that was asked for here.
    Section(Option<&'static Location<'static>>),
    /// It waited for that section.
    Wait(&'static Location<'static>),
    /// It ran a deferred call.
    Deferred,
}

/// Something that a thread did.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    pub what: What,
    pub vector: u16,
    pub thread: u32,
    pub began: Instant,
    pub took: Duration,
}

/// The events of one trace, as far as there is room.
#[derive(Debug)]
pub struct Buffer {
    /// Tells this trace from others of the process: never 0.
    id: u64,
    events: Box<[OnceLock<Event>]>,
    next: AtomicUsize,
    threads: Mutex<BTreeMap<u32, Option<String>>>,
}

thread_local! {
    /// The trace that this thread has told its name.
    static KNOWN_TO: Cell<u64> = const { Cell::new(0) };
}

impl Buffer {
    pub fn new(capacity: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            events: (0..capacity).map(|_| OnceLock::new()).collect(),
            next: AtomicUsize::new(0),
            threads: Mutex::default(),
        }
    }

    /// Keeps what this thread did, if there is room.
    pub fn record(&self, what: What, vector: u16, began: Instant, took: Duration) {
        let thread = thread_id();
        if KNOWN_TO.replace(self.id) != self.id {
            let name = std::thread::current().name().map(str::to_owned);
            unpoisoned(&self.threads).insert(thread, name);
        }
        // Each slot is one writer's, so that none waits for another.
        if let Some(slot) = self.events.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            slot.get_or_init(|| Event { what, vector, thread, began, took });
        }
    }

    /// How many found no room.
    pub fn dropped(&self) -> usize {
        self.next.load(Ordering::Relaxed).saturating_sub(self.events.len())
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter_map(OnceLock::get)
    }

    /// The threads that did something, and their names: std's, else the kernel's, as long as they live.
    pub fn threads(&self) -> Vec<(u32, String)> {
        let named = unpoisoned(&self.threads).clone();
        named
            .into_iter()
            .map(|(thread, name)| (thread, name.unwrap_or_else(|| kernels_name(thread))))
            .collect()
    }
}

fn kernels_name(thread: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
    if name.trim().is_empty() { format!("thread {thread}") } else { name.trim().to_owned() }
}
