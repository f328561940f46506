//! What every vector of a device asks before it times a section: does anybody look?

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::buffer::{Buffer, What};
use super::timeline::Timeline;
use crate::synchronize::unpoisoned;
use crate::{Address, Error, ErrorKind, Result};

/// One section in 1024 is timed while nobody looks: two looks at the clock cost ten times what a section does.
const SOME: u64 = 1023;
/// Each is, while somebody does.
const ALL: u64 = 0;

/// A device's own: how closely its sections are watched, and the trace that runs.
pub(crate) struct Tracer {
    address: Address,
    mask: AtomicU64,
    watches: Mutex<u32>,
    tracing: AtomicBool,
    buffer: RwLock<Option<Arc<Buffer>>>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracer({}, tracing: {})", self.address, self.is_tracing())
    }
}

impl Tracer {
    pub fn new(address: Address) -> Arc<Self> {
        Arc::new(Self {
            address,
            mask: AtomicU64::new(SOME),
            watches: Mutex::new(0),
            tracing: AtomicBool::new(false),
            buffer: RwLock::new(None),
        })
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether the section of a vector that comes after `before` others is timed.
    #[inline]
    pub fn times(&self, before: u64) -> bool {
        before & self.mask.load(Ordering::Relaxed) == 0
    }

    #[inline]
    pub fn is_tracing(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }

    /// Keeps what this thread did, if a trace runs.
    #[inline]
    pub fn record(&self, what: What, vector: u16, began: Instant, took: Duration) {
        if self.is_tracing() {
            self.keep(what, vector, began, took);
        }
    }

    #[cold]
    fn keep(&self, what: What, vector: u16, began: Instant, took: Duration) {
        let buffer = self.buffer.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = &*buffer {
            buffer.record(what, vector, began, took);
        }
    }

    /// Keeps that this thread has waited until now, for the section asked for there or for its handler.
    pub fn record_wait(
        &self,
        call_site: Option<&'static Location<'static>>,
        vector: u16,
        waited: Duration,
        now: Instant,
    ) {
        let what = call_site.map_or(What::HandlerWait, What::Wait);
        if let Some(began) = now.checked_sub(waited) {
            self.record(what, vector, began, waited);
        }
    }

    /// From now on every section is timed, until the watch is dropped.
    pub fn watch(self: &Arc<Self>) -> Watch {
        let mut watches = unpoisoned(&self.watches);
        *watches += 1;
        self.mask.store(ALL, Ordering::Relaxed);
        Watch { tracer: self.clone() }
    }

    /// Starts a trace that has room for so many events.
    ///
    /// # Errors
    /// `Busy` while another runs.
    pub fn trace(self: &Arc<Self>, capacity: usize) -> Result<Trace> {
        let mut running = self.buffer.write().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(Error::new(ErrorKind::Busy, "start of a trace")
                .on(self.address)
                .why("another trace of the device is running"));
        }
        let buffer = Arc::new(Buffer::new(capacity));
        *running = Some(buffer.clone());
        self.tracing.store(true, Ordering::Relaxed);
        Ok(Trace { buffer, watch: self.watch() })
    }

    /// Ends this trace, if it runs still. Whoever is writing to it is waited for: a few instructions.
    fn end(&self, trace: &Arc<Buffer>) {
        let mut running = self.buffer.write().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|running| Arc::ptr_eq(running, trace)) {
            self.tracing.store(false, Ordering::Relaxed);
            *running = None;
        }
    }
}

/// As long as it lives, every section of the device is timed, and not one in 1024.
#[derive(Debug)]
#[must_use = "sections are timed only as long as it lives"]
pub struct Watch {
    tracer: Arc<Tracer>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = unpoisoned(&self.tracer.watches);
        *watches = watches.saturating_sub(1);
        if *watches == 0 {
            self.tracer.mask.store(SOME, Ordering::Relaxed);
        }
    }
}

/// A trace that runs. Dropped, it is given up.
#[derive(Debug)]
#[must_use = "a trace that is dropped is lost"]
pub struct Trace {
    buffer: Arc<Buffer>,
    watch: Watch,
}

impl Trace {
    /// Ends the trace, and gives what there is to see.
    pub fn finish(self) -> Timeline {
        let tracer = &self.watch.tracer;
        tracer.end(&self.buffer);
        Timeline::of(tracer.address(), &self.buffer)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.watch.tracer.end(&self.buffer);
    }
}
