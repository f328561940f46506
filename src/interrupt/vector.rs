//! A connected vector: the state that its handler owns, and the ways in.

use std::panic::Location;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::any_vector::AnyVector;
use super::connection::Connection;
use super::{Histograms, Observer, VectorStatistics};
use crate::Result;
use crate::synchronize::{Patience, SyncError, unpoisoned};

/// How long a disconnect waits for the handler that is running.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A vector with its handler connected, and the state that both the handler and [`Vector::synchronize`] reach.
///
/// The state is nowhere else: a routine that shares it with the handler goes through here. Dropping the vector
/// disconnects it.
///
/// Source: `KeSynchronizeExecution` (seed `KSYNCHRONIZE_ROUTINE`, wdm.h); R1 to R10, R21, R24, R26 and R27 of
/// `docs/synchronize.md`.
#[derive(Debug)]
pub struct Vector<T: Send + 'static> {
    pub(super) connection: Arc<Connection<T>>,
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
    /// `Forked`, `DeviceGone`.
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

    /// As [`Vector::synchronize`], but waits no longer than `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// As there; and `TimedOut`.
    #[track_caller]
    pub fn synchronize_timeout<R>(
        &self,
        timeout: Duration,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.connection.section(Patience::For(timeout), Location::caller(), routine)
    }

    /// The vector's index.
    pub fn index(&self) -> u16 {
        self.connection.source.index()
    }

    /// Queues the vector's deferred call: false where one is queued already that has not begun, or the vector has none.
    /// Each true leads to one run.
    ///
    /// # Errors
    /// `NotConnected`, `Disconnecting`, `Forked`.
    pub fn defer(&self) -> Result<bool, SyncError> {
        AnyVector::defer(&*self.connection)
    }

    /// Whether a panic has left the state half done. Until [`Vector::clear_poison`], no handler and no routine runs.
    pub fn is_poisoned(&self) -> bool {
        self.connection.state.is_poisoned()
    }

    /// Declares the state whole again. Interrupts that came meanwhile are delivered now, as one call a vector.
    ///
    /// # Errors
    /// Where INTx cannot be unmasked or the replay cannot be raised.
    pub fn clear_poison(&self) -> Result<()> {
        self.connection.clear_poison()
    }

    /// Stops delivery without disconnecting: once this has returned, the handler does not run until
    /// [`Vector::activate`]. Routines still do. Messages cannot be held back in the kernel, so they are counted; INTx
    /// stays masked with the next one.
    ///
    /// Source: `IoReportInterruptInactive` of wdm.h; R21 of `docs/synchronize.md`.
    ///
    /// # Errors
    /// As [`Vector::synchronize`] where the section cannot be entered; in this vector's own section it always can.
    pub fn deactivate(&self) -> Result<(), SyncError> {
        self.connection.deactivate()
    }

    /// Lets delivery go on: what came since [`Vector::deactivate`] is delivered as one call.
    ///
    /// # Errors
    /// Where INTx cannot be unmasked or the replay cannot be raised.
    pub fn activate(&self) -> Result<()> {
        self.connection.activate()
    }

    /// Whether the vector was quieted because its interrupts did not end and meant nothing: a storm.
    pub fn is_faulted(&self) -> bool {
        self.connection.is_faulted()
    }

    /// Lets a vector that was quieted fire again: when the device has been put in order.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn clear_fault(&self) -> Result<()> {
        self.connection.clear_fault()
    }

    /// Lets INTx fire again after a handler that returned [`super::Handled::KeepMasked`] or an error. Nothing to do
    /// for messages, and while the vector is inactive or faulted.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn unmask(&self) -> Result<()> {
        self.connection.unmask()
    }

    /// What was counted since the vector was connected.
    pub fn statistics(&self) -> VectorStatistics {
        AnyVector::statistics(&*self.connection)
    }

    /// How long the handler, sections, waits and deferred calls took since the vector was connected.
    pub fn histograms(&self) -> Histograms {
        AnyVector::histograms(&*self.connection)
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

    pub(super) fn is_connected_by(&self, connection: &Connection<T>) -> bool {
        std::ptr::eq(&*self.connection, connection)
    }

    /// Takes the handler away, and gives the state back; that of a [`super::LockGroup`] stays in the group.
    ///
    /// After it has returned, no handler, deferred call or routine of this connection runs, ever; what was deferred has
    /// run. Where two threads disconnect at once, one gets the state and the other waits and gets `None`. In its own
    /// handler, deferred call or fault hook it returns `None` at once, and the vector is gone right after that returns;
    /// a later call gives the state.
    ///
    /// # Errors
    /// `Reentrant` in a section of this vector. `LockOrder` in a section or deferred call that comes at or after this
    /// vector's deferred calls in lock order, so in any other of its device: what it would wait for may be waiting for
    /// this thread. `TimedOut` after 10 s of waiting; it is disconnected once handler and deferred call have returned.
    /// `Forked` in a child.
    pub fn disconnect(&self) -> Result<Option<T>, SyncError> {
        let connection = &self.connection;
        if connection.is_forked() {
            return Err(SyncError::Forked);
        }
        if connection.on_own_thread() {
            connection.stop();
            return Ok(None);
        }
        connection.may_wait_for_end()?;
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
