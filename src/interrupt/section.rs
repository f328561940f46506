//! The ways into a connection's section.

use std::panic::Location;

use super::connection::{Connection, Section};
use super::counters::Counters;
use crate::synchronize::{Patience, SyncError};

impl<T: Send + 'static> Connection<T> {
    /// Runs `routine`, asked for at `site`, in the section, waiting as long as `patience` says.
    #[inline]
    pub fn section<R>(
        &self,
        patience: Patience,
        site: &'static Location<'static>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.phase.pass(|admitted| self.enter(patience, site, || admitted.again(), routine))
    }

    /// As [`Connection::section`], for the deferred call: it is let in until it has ended.
    pub fn section_of_deferred_call<R>(
        &self,
        patience: Patience,
        site: &'static Location<'static>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.enter(patience, site, || Ok(()), routine)
    }

    #[inline]
    fn enter<R>(
        &self,
        patience: Patience,
        site: &'static Location<'static>,
        admit: impl FnOnce() -> Result<(), SyncError>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        // Nobody waits for a section of a device that is gone.
        if self.presence.is_gone() {
            return self.presence.check().and(Err(SyncError::DeviceGone));
        }
        let entered = self.state.enter_with(patience, |section| self.run_in(section, site, admit(), routine));
        if let Err(SyncError::Reentrant) = entered {
            self.counters.reentered();
        }
        match entered {
            // It went while this thread waited.
            Err(SyncError::TimedOut | SyncError::Poisoned) if self.presence.is_gone() => {
                Err(SyncError::DeviceGone)
            }
            entered => entered?,
        }
    }

    #[inline]
    fn run_in<R>(
        &self,
        mut section: Section<'_, T>,
        site: &'static Location<'static>,
        admitted: Result<(), SyncError>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        let waited = section.waited_ns();
        // Who did not wait has just looked.
        let gone = waited > 0 && self.presence.is_gone();
        let admitted = if gone { Err(SyncError::DeviceGone) } else { admitted };
        let state = match (admitted, section.as_mut()) {
            (Ok(()), Some(state)) => state,
            (refused, _) => {
                section.finish();
                return Err(refused.err().unwrap_or(SyncError::NotConnected));
            }
        };
        let timing = self.counters.entered(waited, site);
        let poisoning = Poisoning(&self.counters);
        let result = routine(state);
        std::mem::forget(poisoning);
        let late = self.counters.left(timing);
        section.finish();
        self.counters.tell(late);
        Ok(result)
    }
}

/// Counts the panic that drops it.
struct Poisoning<'a>(&'a Counters);

impl Drop for Poisoning<'_> {
    fn drop(&mut self) {
        self.0.poisoned();
    }
}
