//! The counters of one vector: written on the way of every interrupt and section, read by anybody without a lock.
//!
//! What only the holder of the vector's lock writes needs no read-modify-write; whatever is told to be called by the
//! holder relies on that.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Mode;
use super::histogram::Recorder;
use super::overrun::{Overrun, OverrunHook, SeenBy};
use super::statistics::{
    DeferredStatistics, Histograms, Percentiles, SynchronizeStatistics, VectorStatistics,
};
use crate::Address;
use crate::synchronize::{CallSiteCell, unpoisoned};
use crate::trace::{Tracer, What};

/// How long a vector may be held before it counts as an overrun.
const BUDGET: Duration = Duration::from_micros(25);
/// How many overruns are kept, the latest.
const KEPT: usize = 8;

/// What the vectors of a device share to be observed.
#[derive(Debug, Clone)]
pub struct Observation {
    pub tracer: Arc<Tracer>,
    pub overruns: Arc<OverrunHook>,
}

impl Observation {
    pub fn new(address: Address) -> Self {
        Self { tracer: Tracer::new(address), overruns: Arc::default() }
    }

    /// The part of one vector.
    pub fn track(&self, vector: u16) -> Track {
        Track { observation: self.clone(), vector }
    }
}

/// One vector's place in what is observed.
#[derive(Debug)]
pub struct Track {
    observation: Observation,
    vector: u16,
}

/// When a section began; nothing for one that is not timed.
#[derive(Debug)]
#[must_use = "a section that was entered is left"]
pub struct Timing(Option<Instant>);

impl Timing {
    /// Whether the section is timed.
    #[inline]
    pub fn runs(&self) -> bool {
        self.0.is_some()
    }
}

/// Who held the vector for too long, to be told once it is left.
#[derive(Debug, Default)]
pub struct Late(Option<Box<[Option<Overrun>; 2]>>);

/// The counters behind [`VectorStatistics`].
#[derive(Debug)]
pub struct Counters {
    /// Written by the holder alone, as are the four below.
    sections: AtomicU64,
    /// Where the section that runs, or ran last, was asked for; nothing for the handler.
    holder: CallSiteCell,
    reentries: AtomicU64,
    /// When a thread that had waited was given the vector last, in nanoseconds since `epoch`.
    handed_over: AtomicU64,
    /// Whom a waiter found to have held the vector for too long, until the waiter has left it.
    found: Mutex<Option<Overrun>>,
    track: Track,
    epoch: Instant,
    budget_ns: AtomicU64,
    count: AtomicU64,
    coalesced: AtomicU64,
    calls: AtomicU64,
    spurious: AtomicU64,
    poisonings: AtomicU64,
    storms: AtomicU64,
    over_budget: AtomicU64,
    latest: Mutex<Vec<Overrun>>,
    handler: Recorder,
    handler_waits: Recorder,
    holds: Recorder,
    waits: Recorder,
    deferred: Recorder,
}

impl Counters {
    pub fn new(track: Track) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            sections: zero(),
            holder: CallSiteCell::default(),
            reentries: zero(),
            handed_over: zero(),
            found: Mutex::new(None),
            track,
            epoch: Instant::now(),
            budget_ns: AtomicU64::new(nanoseconds(BUDGET)),
            count: zero(),
            coalesced: zero(),
            calls: zero(),
            spurious: zero(),
            poisonings: zero(),
            storms: zero(),
            over_budget: zero(),
            latest: Mutex::new(Vec::with_capacity(KEPT)),
            handler: Recorder::new(),
            handler_waits: Recorder::new(),
            holds: Recorder::new(),
            waits: Recorder::new(),
            deferred: Recorder::new(),
        }
    }

    /// Holds beyond this are overruns from now on.
    pub fn set_budget(&self, budget: Duration) {
        self.budget_ns.store(nanoseconds(budget), Relaxed);
    }

    /// Interrupts arrived.
    pub fn arrived(&self, count: u64) {
        self.count.fetch_add(count, Relaxed);
    }

    /// Interrupts that were counted go back to where they come from, and will arrive again.
    pub fn sent_back(&self, count: u64) {
        self.count.fetch_sub(count, Relaxed);
    }

    /// The handler's thread has the vector, after so many nanoseconds of waiting. Called by the holder.
    pub fn handler_entered(&self, waited_ns: u64) {
        if waited_ns > 0 {
            self.handler_waits.record(waited_ns);
            self.waited(waited_ns, None, Instant::now());
        }
        self.holder.clear();
    }

    /// The handler ran, for `count` interrupts. Called by the holder; who was late is told once the vector is left.
    pub fn handled(&self, began: Instant, took: Duration, count: u64, spurious: bool) -> Late {
        self.calls.fetch_add(1, Relaxed);
        self.coalesced.fetch_add(count.saturating_sub(1), Relaxed);
        self.spurious.fetch_add(u64::from(spurious), Relaxed);
        let ns = nanoseconds(took);
        self.handler.record(ns);
        self.holder.clear();
        self.tracer().record(What::Handler { count, spurious }, self.track.vector, began, took);
        self.late((ns > self.budget()).then(|| self.overrun(None, ns, SeenBy::Holder)))
    }

    /// A section was entered. Called by the holder.
    #[inline]
    pub fn entered(&self, waited_ns: u64, call_site: &'static Location<'static>) -> Timing {
        let sections = self.sections.load(Relaxed);
        self.sections.store(sections + 1, Relaxed);
        if waited_ns == 0 && !self.tracer().times(sections) {
            self.holder.set(call_site);
            return Timing(None);
        }
        self.begin(waited_ns, call_site)
    }

    #[cold]
    #[inline(never)]
    fn begin(&self, waited_ns: u64, call_site: &'static Location<'static>) -> Timing {
        let now = Instant::now();
        let mut found = false;
        if waited_ns > 0 {
            self.waits.record(waited_ns);
            found = self.waited(waited_ns, Some(call_site), now);
        }
        self.holder.set(call_site);
        let timed = found || self.is_timed();
        Timing(timed.then_some(now))
    }

    /// A section is about to be left. Called by the holder; who was late is told once it is left.
    #[inline]
    pub fn left(&self, timing: Timing) -> Late {
        match timing.0 {
            None => Late(None),
            Some(began) => self.end(began),
        }
    }

    #[cold]
    #[inline(never)]
    fn end(&self, began: Instant) -> Late {
        let (took, site) = (began.elapsed(), self.holder.get());
        let ns = nanoseconds(took);
        // Those that found an overrun are not like the rest.
        if self.is_timed() {
            self.holds.record(ns);
            self.tracer().record(What::Section(site), self.track.vector, began, took);
        }
        let overrun = (ns > self.budget()).then(|| self.overrun(site, ns, SeenBy::Holder));
        // Whoever waited need not say it again.
        if overrun.is_some() {
            self.holder.clear();
        }
        self.late(overrun)
    }

    /// Tells the hook who was late. Called once the vector is left.
    #[inline]
    pub fn tell(&self, late: Late) {
        if let Some(late) = late.0 {
            late.iter().flatten().for_each(|overrun| self.track.observation.overruns.tell(overrun));
        }
    }

    /// A section was refused to the thread that has one already. Called by the holder.
    #[inline]
    pub fn reentered(&self) {
        self.reentries.store(self.reentries.load(Relaxed) + 1, Relaxed);
    }

    /// A panic has left the state half done.
    pub fn poisoned(&self) {
        self.poisonings.fetch_add(1, Relaxed);
    }

    /// A deferred call ran.
    pub fn deferred(&self, began: Instant, took: Duration) {
        self.deferred.record(nanoseconds(took));
        self.tracer().record(What::Deferred, self.track.vector, began, took);
    }

    /// The vector was quieted, because it had nothing to say too often.
    pub fn storm(&self) {
        self.storms.fetch_add(1, Relaxed);
    }

    /// What was counted until now.
    pub fn read(&self, index: u16, mode: Mode) -> VectorStatistics {
        let [count, calls, coalesced, spurious, storms, poisonings] =
            [&self.count, &self.calls, &self.coalesced, &self.spurious, &self.storms, &self.poisonings]
                .map(|counter| counter.load(Relaxed));
        let sections = self.sections.load(Relaxed);
        let Histograms { handler, handler_wait, hold, wait, deferred } = self.histograms();
        VectorStatistics {
            index,
            mode,
            count,
            calls,
            coalesced,
            spurious,
            storms,
            poisonings,
            handler_ns: Percentiles::of(&handler, 0),
            handler_wait_ns: Percentiles::of(&handler_wait, calls.saturating_sub(handler_wait.len())),
            synchronize: SynchronizeStatistics {
                calls: sections,
                wait_ns: Percentiles::of(&wait, sections.saturating_sub(wait.len())),
                hold_ns: Percentiles::of(&hold, 0),
                timed: hold.len(),
                reentries: self.reentries.load(Relaxed),
                budget_ns: self.budget(),
                over_budget: self.over_budget.load(Relaxed),
                latest_over_budget: unpoisoned(&self.latest).clone(),
            },
            deferred: DeferredStatistics { calls: deferred.len(), run_ns: Percentiles::of(&deferred, 0) },
        }
    }

    /// How long handler, sections, waits and deferred calls took until now.
    pub fn histograms(&self) -> Histograms {
        Histograms {
            handler: self.handler.snapshot(),
            handler_wait: self.handler_waits.snapshot(),
            hold: self.holds.snapshot(),
            wait: self.waits.snapshot(),
            deferred: self.deferred.snapshot(),
        }
    }

    #[inline]
    fn tracer(&self) -> &Tracer {
        &self.track.observation.tracer
    }

    /// Whether the section that runs is one of those that are timed.
    fn is_timed(&self) -> bool {
        self.tracer().times(self.sections.load(Relaxed).wrapping_sub(1))
    }

    fn budget(&self) -> u64 {
        self.budget_ns.load(Relaxed)
    }

    /// The holder waited until `now`: whether for a section that was held for too long.
    fn waited(&self, ns: u64, call_site: Option<&'static Location<'static>>, now: Instant) -> bool {
        self.tracer().record_wait(call_site, self.track.vector, Duration::from_nanos(ns), now);
        let since_epoch = nanoseconds(now.saturating_duration_since(self.epoch));
        // What an earlier waiter was kept waiting for is not the fault of who came after it.
        let held_ns = ns.min(since_epoch.saturating_sub(self.handed_over.load(Relaxed)));
        self.handed_over.store(since_epoch, Relaxed);
        let site = self.holder.get();
        let too_long = held_ns > self.budget() && site.is_some();
        if too_long {
            *unpoisoned(&self.found) = Some(self.overrun(site, held_ns, SeenBy::Waiter));
        }
        too_long
    }

    fn overrun(&self, site: Option<&'static Location<'static>>, held_ns: u64, seen_by: SeenBy) -> Overrun {
        self.over_budget.fetch_add(1, Relaxed);
        let overrun =
            Overrun { vector: self.track.vector, call_site: site.map(Into::into), held_ns, seen_by };
        // One that comes while they are read is counted, but not kept: the holder waits for no reader.
        if let Ok(mut latest) = self.latest.try_lock() {
            if latest.len() == KEPT {
                latest.remove(0);
            }
            latest.push(overrun.clone());
        }
        overrun
    }

    fn late(&self, own: Option<Overrun>) -> Late {
        let found = unpoisoned(&self.found).take();
        if found.is_none() && own.is_none() { Late(None) } else { Late(Some(Box::new([found, own]))) }
    }
}

/// At least 1: what ran took time.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
