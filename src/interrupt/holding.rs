//! Interrupts that are held back, and let go again: by a line that is masked, a vector that is inactive, poisoned or
//! faulted.

use std::sync::atomic::{Ordering, fence};

use super::connection::Connection;
use super::source::Source;
use crate::Result;
use crate::synchronize::{SyncError, unpoisoned};

impl<T: Send + 'static> Connection<T> {
    /// Whether the handler may still be called. That of errors is the one to hear that the device is gone.
    pub fn is_live(&self) -> bool {
        self.phase.is_connected() && (self.source == Source::Error || !self.presence.is_gone())
    }

    /// Lets INTx fire again, as long as it is this connection's and may be delivered.
    pub fn unmask(&self) -> Result<()> {
        self.own()?;
        self.phase.admit()?;
        if !self.source.is_line() {
            return Ok(());
        }
        self.line_is_kept.store(false, Ordering::Release);
        // Whoever activates looks the other way round: one of the two sees the other.
        fence(Ordering::SeqCst);
        let quiet = self.backlog.is_inactive() || self.is_faulted();
        if quiet { Ok(()) } else { self.controller.unmask(self.source) }
    }

    /// The handler is about to be called: it decides when the line may fire again.
    pub fn keep_line(&self) {
        self.line_is_kept.store(true, Ordering::Release);
    }

    /// The handler has panicked, and decides nothing any more.
    pub fn forget_line(&self) {
        self.line_is_kept.store(false, Ordering::Release);
    }

    /// Whether the handler may be called.
    pub fn is_deliverable(&self) -> bool {
        !self.state.is_poisoned() && !self.backlog.is_inactive()
    }

    /// Keeps `count` interrupts until the handler may be called.
    pub fn keep(&self, count: u64) -> Result<()> {
        if self.backlog.keep(count, || self.is_deliverable()) { self.replay() } else { Ok(()) }
    }

    /// Delivers what was kept, as one call. A line that is still asserted fires by itself once unmasked.
    pub fn replay(&self) -> Result<()> {
        self.phase.admit()?;
        let kept = self.backlog.take();
        if kept > 0 && !self.source.is_line() {
            self.counters.sent_back(kept);
            self.eventfd.write(kept).map_err(|error| self.fail(&error, "replay of interrupts"))?;
        }
        Ok(())
    }

    /// Declares the state whole again, and delivers what came meanwhile to whoever shares it.
    pub fn clear_poison(&self) -> Result<()> {
        self.own()?;
        if self.state.clear_poison() { self.controller.resume_all_behind(self.lock()) } else { Ok(()) }
    }

    /// Stops delivery: once this has returned, no handler runs until [`Connection::activate`].
    pub fn deactivate(&self) -> Result<(), SyncError> {
        if self.state.held_by_me() {
            self.backlog.deactivate();
            return Ok(());
        }
        self.phase.admit()?;
        let section = self.state.enter_poisoned()?;
        self.backlog.deactivate();
        section.finish();
        Ok(())
    }

    /// Lets delivery go on, with what came meanwhile as one call.
    pub fn activate(&self) -> Result<()> {
        self.own()?;
        self.backlog.activate(|| self.resume())
    }

    pub fn resume(&self) -> Result<()> {
        self.replay()?;
        fence(Ordering::SeqCst);
        // The handler runs, or has left the line masked on purpose.
        if self.line_is_kept.load(Ordering::Acquire) { Ok(()) } else { self.unmask() }
    }

    pub fn is_faulted(&self) -> bool {
        self.faulted.load(Ordering::Acquire)
    }

    /// Keeps the source from firing: INTx stays masked, of a message the kernel is told.
    pub fn quiet(&self) {
        self.counters.storm();
        // With the trigger, so that whoever sees the fault and clears it attaches after this has detached.
        let _one_at_a_time = unpoisoned(&self.trigger);
        if !self.faulted.swap(true, Ordering::AcqRel) && !self.source.is_line() {
            self.controller.detach(self.source);
        }
    }

    /// Lets a source that was quieted fire again.
    pub fn clear_fault(&self) -> Result<()> {
        self.own()?;
        let _one_at_a_time = unpoisoned(&self.trigger);
        if !self.faulted.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let cleared = if self.source.is_line() { self.unmask() } else { self.attach_alone() };
        // It is as quiet as it was.
        cleared.inspect_err(|_| self.faulted.store(true, Ordering::Release))
    }
}
