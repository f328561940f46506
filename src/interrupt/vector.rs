//! A connected vector: the state that its handler owns, and the ways in.

use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::controller::{AnyVector, Controller};
use super::counters::Counters;
use super::delivery::{Connection, Section};
use super::{Histograms, Observer, VectorStatistics};
use crate::synchronize::{self, Patience, SyncError, unpoisoned};
use crate::{Error, Result};

/// How long a disconnect waits for the handler that is running.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A vector with its handler connected, and the state that both the handler and [`Vector::synchronize`] reach.
///
/// The state is nowhere else: a routine that shares it with the handler goes through here. Dropping the vector
/// disconnects it.
///
/// Source: `KeSynchronizeExecution` (seed `KSYNCHRONIZE_ROUTINE`, wdm.h); R1 to R10 and R27 of `docs/synchronize.md`.
#[derive(Debug)]
pub struct Vector<T: Send + 'static> {
    connection: Arc<Connection<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<T: Send + 'static> Vector<T> {
    pub(super) fn new(connection: Arc<Connection<T>>, thread: JoinHandle<()>) -> Self {
        Self { connection, thread: Mutex::new(Some(thread)) }
    }

    /// Runs `routine` once, on this thread, while the handler of this vector and every other routine of it stand still.
    ///
    /// Keep it short: interrupts wait. A panic in `routine` poisons the vector and goes on in the caller.
    ///
    /// # Errors
    /// On every error `routine` has not run: `NotConnected`, `Disconnecting`, `Reentrant`, `LockOrder`, `Poisoned`,
    /// `Forked`.
    #[inline]
    #[track_caller]
    pub fn synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.connection.section(Patience::Forever, Location::caller(), routine)
    }

    /// As [`Vector::synchronize`], but never waits.
    ///
    /// # Errors
    /// As there; and `TimedOut` where the handler or another routine is running.
    #[inline]
    #[track_caller]
    pub fn try_synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.connection.section(Patience::None, Location::caller(), routine)
    }

    /// The vector's index.
    pub fn index(&self) -> u16 {
        self.connection.index
    }

    /// Whether a panic has left the state half done. Until [`Vector::clear_poison`], no handler and no routine runs.
    pub fn is_poisoned(&self) -> bool {
        self.connection.state.is_poisoned()
    }

    /// Declares the state whole again. Interrupts that came meanwhile are delivered now, as one call.
    ///
    /// # Errors
    /// Where INTx cannot be unmasked or the replay cannot be raised.
    pub fn clear_poison(&self) -> Result<()> {
        if self.connection.state.clear_poison() {
            self.connection.replay()?;
            self.connection.unmask()?;
        }
        Ok(())
    }

    /// Lets INTx fire again after a handler that returned [`super::Handled::KeepMasked`] or an error. Nothing to do
    /// for messages.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn unmask(&self) -> Result<()> {
        self.connection.unmask()
    }

    /// What was counted since the vector was connected.
    pub fn statistics(&self) -> VectorStatistics {
        self.connection.statistics()
    }

    /// How long the handler, sections, waits and deferred calls took since the vector was connected.
    pub fn histograms(&self) -> Histograms {
        self.connection.counters.histograms()
    }

    /// How long handler and sections may hold the vector: 25 µs by default. Longer holds are counted, and told to the
    /// hook of [`super::Interrupts::on_overrun`].
    pub fn set_hold_budget(&self, budget: Duration) {
        self.connection.counters.set_budget(budget);
    }

    /// A way to look at the device's vectors that keeps nothing alive.
    pub fn observer(&self) -> Observer {
        Observer::new(&self.connection.controller)
    }

    /// Takes the handler away, and gives the state back.
    ///
    /// After it has returned, no handler or routine of this connection runs, ever. Where two threads disconnect at
    /// once, one gets the state and the other waits and gets `None`. In its own handler or fault hook it returns `None`
    /// at once, and the handler is gone right after it returns; a later call gives the state.
    ///
    /// # Errors
    /// `Reentrant` in a section of this vector, `LockOrder` in one of another vector: the handler that it would wait
    /// for may be waiting for this thread. `TimedOut` after 10 s of waiting for a handler; it is disconnected once it
    /// returns. `Forked` in a child.
    pub fn disconnect(&self) -> Result<Option<T>, SyncError> {
        let connection = &self.connection;
        if connection.is_forked() {
            return Err(SyncError::Forked);
        }
        if connection.on_own_thread() {
            connection.stop();
            return Ok(None);
        }
        if connection.state.held_by_me() {
            return Err(SyncError::Reentrant);
        }
        if synchronize::holds_any() {
            return Err(SyncError::LockOrder);
        }
        connection.stop();
        if !connection.wait_until_over(DISCONNECT_TIMEOUT) {
            return Err(SyncError::TimedOut);
        }
        if let Some(thread) = unpoisoned(&self.thread).take() {
            // It has ended in all but name; what it could panic with was caught and reported where it happened.
            thread
                .join()
                .unwrap_or_else(|_| log::error!("{}: the vector's thread panicked", connection.name()));
        }
        Ok(connection.take_remains())
    }
}

impl<T: Send + 'static> Drop for Vector<T> {
    fn drop(&mut self) {
        if self.connection.phase.is_over() && unpoisoned(&self.thread).is_none() {
            return;
        }
        match self.disconnect() {
            Ok(state) => drop(state),
            // Dropped where waiting could deadlock: the vector's thread does the rest.
            Err(SyncError::Reentrant | SyncError::LockOrder) => {
                self.connection.stop();
            }
            // The thread, like the device, is the parent's.
            Err(SyncError::Forked) => std::mem::forget(unpoisoned(&self.thread).take()),
            Err(error) => log::error!("{}: disconnecting on drop: {error}", self.connection.name()),
        }
    }
}

impl<T: Send + 'static> AnyVector for Connection<T> {
    fn synchronize(
        &self,
        site: &'static Location<'static>,
        routine: &mut dyn FnMut(),
    ) -> Result<(), SyncError> {
        self.section(Patience::Forever, site, |_| routine())
    }

    fn statistics(&self) -> VectorStatistics {
        self.counters.read(self.index, self.controller.mode())
    }

    fn is_over(&self) -> bool {
        self.phase.is_over()
    }
}

impl<T: Send + 'static> Connection<T> {
    /// Runs `routine`, asked for at `site`, in the section, waiting as long as `patience` says.
    #[inline]
    fn section<R>(
        &self,
        patience: Patience,
        site: &'static Location<'static>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.phase.admit()?;
        let entered = self.state.enter_with(patience, |section| self.run_in(section, site, routine));
        if let Err(SyncError::Reentrant) = entered {
            self.counters.reentered();
        }
        entered?
    }

    #[inline]
    fn run_in<R>(
        &self,
        mut section: Section<'_, T>,
        site: &'static Location<'static>,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        let waited = section.waited_ns();
        // Disconnected while this thread waited: the state may be there still, but the promise has ended.
        let admitted = self.phase.admit();
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

    fn is_forked(&self) -> bool {
        self.controller.is_forked()
    }

    fn name(&self) -> String {
        format!("{} vector {}", self.controller.address(), self.index)
    }
}

/// Counts the panic that drops it.
struct Poisoning<'a>(&'a Counters);

impl Drop for Poisoning<'_> {
    fn drop(&mut self) {
        self.0.poisoned();
    }
}

/// Connects: eventfd, thread, state, and only then the kernel's trigger.
pub(super) fn connect<T, F>(
    controller: &Arc<Controller>,
    index: u16,
    state: T,
    handler: F,
) -> Result<Vector<T>>
where
    T: Send + 'static,
    F: FnMut(&mut T, super::Event) -> Result<super::Handled> + Send + 'static,
{
    let fail = |error: &std::io::Error, what: &str| Error::io(error, what).on(controller.address());
    let connection = Connection::new(controller.clone(), index, state)
        .map_err(|error| fail(&error, "making of an eventfd"))?;
    let connection = Arc::new(connection);
    let thread = super::delivery::spawn(connection.clone(), handler)
        .map_err(|error| fail(&error, "start of a vector's thread"))?;
    let vector = Vector::new(connection.clone(), thread);
    controller.enter_vector(index, connection.clone());
    // On an error the vector is dropped, which ends its thread.
    controller.attach(index, &connection.eventfd)?;
    Ok(vector)
}
