//! A connection without the type of its state.

use std::panic::Location;
use std::sync::atomic::Ordering;

use super::any_vector::AnyVector;
use super::connection::Connection;
use super::counters::{Late, Timing};
use super::{Histograms, VectorStatistics};
use crate::Result;
use crate::synchronize::{Member, Patience, Scheduling, SyncError};

impl<T: Send + 'static> AnyVector for Connection<T> {
    fn synchronize(
        &self,
        site: &'static Location<'static>,
        routine: &mut dyn FnMut(),
    ) -> Result<(), SyncError> {
        self.section(Patience::Forever, site, |_| routine())
    }

    fn admit(&self) -> Result<(), SyncError> {
        self.phase.admit()?;
        self.presence.check()
    }

    fn member(&self) -> Member<'_> {
        self.state.member()
    }

    fn entered(&self, site: &'static Location<'static>) -> Result<Option<Timing>, SyncError> {
        self.phase.admit()?;
        let timing = self.counters.entered(0, site);
        Ok(timing.runs().then_some(timing))
    }

    fn left(&self, timing: Timing) -> Late {
        self.counters.left(timing)
    }

    fn reentered(&self) {
        if self.state.held_by_me() {
            self.counters.reentered();
        }
    }

    fn poisoned(&self) {
        self.counters.poisoned();
    }

    fn tell(&self, late: Late) {
        self.counters.tell(late);
    }

    fn priority_if_behind(&self, lock: *const ()) -> Option<u8> {
        let priority = self.priority.load(Ordering::Relaxed);
        (priority > 0 && self.phase.is_connected() && std::ptr::eq(lock, self.lock())).then_some(priority)
    }

    fn raise_if_behind(&self, lock: *const (), priority: u8) -> Result<()> {
        let is_lower = self.priority.load(Ordering::Relaxed) < priority;
        if is_lower && self.phase.is_connected() && std::ptr::eq(lock, self.lock()) {
            return self.apply(&Scheduling::new().fifo(priority));
        }
        Ok(())
    }

    fn resume_if_behind(&self, lock: *const ()) -> Result<()> {
        if self.phase.is_connected() && std::ptr::eq(lock, self.lock()) { self.resume() } else { Ok(()) }
    }

    fn defer(&self) -> Result<bool, SyncError> {
        self.own()?;
        self.phase.admit()?;
        Ok(self.deferred.queue())
    }

    fn statistics(&self) -> VectorStatistics {
        self.counters.read(self.source.index(), self.source.mode())
    }

    fn histograms(&self) -> Histograms {
        self.counters.histograms()
    }

    fn is_over(&self) -> bool {
        self.phase.is_over()
    }
}
