//! The slot of a deferred call: queued or not.

use std::sync::OnceLock;
use std::time::Duration;

use super::sync::{AtomicU32, Ordering, Thread, park_timeout};

const QUEUED: u32 = 1;
const STOPPED: u32 = 2;

/// What the thread of deferred calls does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A call was queued: run it.
    Run,
    /// Nothing is queued: sleep until woken.
    Park,
    /// Nothing is queued, and nothing ever will be.
    End,
}

/// Whether a deferred call is queued. Anybody queues, at any time and without waiting; one thread takes.
#[derive(Debug)]
pub struct Slot {
    state: AtomicU32,
    thread: OnceLock<Thread>,
}

impl Slot {
    /// A slot that takes calls, or for a vector without deferred routine one that never does.
    pub fn new(takes_calls: bool) -> Self {
        let state = if takes_calls { 0 } else { STOPPED };
        Self { state: AtomicU32::new(state), thread: OnceLock::new() }
    }

    /// Who is woken; said once, before anything is queued.
    pub fn serve_by(&self, thread: Thread) {
        self.thread.get_or_init(|| thread);
    }

    /// Queues a call: true where none was queued that has not begun.
    ///
    /// Also where one is queued already, the word is written: so the call to come sees all that its caller wrote.
    pub fn queue(&self) -> bool {
        let mut seen = self.state.load(Ordering::Relaxed);
        loop {
            if seen & STOPPED != 0 || cfg!(mutation = "queued_unwritten") && seen & QUEUED != 0 {
                return false;
            }
            match self.state.compare_exchange_weak(seen, seen | QUEUED, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(before) => {
                    let first = before & QUEUED == 0;
                    if first {
                        self.wake();
                    }
                    return first;
                }
                Err(changed) => seen = changed,
            }
        }
    }

    /// Takes what is queued; for the one thread that runs the calls.
    pub fn next(&self) -> Next {
        let before = if cfg!(mutation = "cleared_late") {
            self.state.load(Ordering::Acquire)
        } else {
            self.state.fetch_and(!QUEUED, Ordering::AcqRel)
        };
        match before {
            before if before & QUEUED != 0 => Next::Run,
            before if before & STOPPED != 0 => Next::End,
            _ => Next::Park,
        }
    }

    /// Runs `call` for each that is queued, until there will be none; for the one thread that runs the calls.
    pub fn serve(&self, mut call: impl FnMut()) {
        loop {
            match self.next() {
                Next::Run => {
                    call();
                    if cfg!(mutation = "cleared_late") {
                        self.state.fetch_and(!QUEUED, Ordering::AcqRel);
                    }
                }
                // As long as nothing is to be done there is nothing to wait for; a stop wakes as well.
                Next::Park => park_timeout(Duration::from_secs(60)),
                Next::End => return,
            }
        }
    }

    /// Takes no more calls. What is queued still runs.
    pub fn stop(&self) {
        if cfg!(mutation = "stop_forgets") {
            self.state.store(STOPPED, Ordering::Release);
        } else {
            self.state.fetch_or(STOPPED, Ordering::AcqRel);
        }
        if !cfg!(mutation = "stop_silent") {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
