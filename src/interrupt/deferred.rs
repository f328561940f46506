//! Deferred calls: what a handler has no time for, on a thread of its own.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use super::connection::Connection;
use super::fault::words_of;
use super::{FaultKind, Vector};
use crate::Result;
use crate::synchronize::{Patience, SyncError, set_held, signals, thread_id};

/// The routine that a vector's deferred calls run.
pub type Routine<T> = Box<dyn FnMut(&Deferral<'_, T>) + Send>;

/// What a deferred call is handed: its vector, as far as a deferred call may use it.
///
/// A deferred call holds no lock of a vector: it reaches the state by [`Deferral::synchronize`], as short as it can,
/// and works outside.
///
/// Source: `KDEFERRED_ROUTINE` of wdm.h; R26 of `docs/synchronize.md`.
#[derive(Debug)]
pub struct Deferral<'a, T: Send + 'static> {
    connection: &'a Connection<T>,
}

impl<T: Send + 'static> Deferral<'_, T> {
    /// Runs `routine` once, serialized with the handler. Also while the vector is being disconnected: that waits for
    /// this call.
    ///
    /// # Errors
    /// `Reentrant`, `LockOrder`, `Poisoned` or `DeviceGone`; then `routine` has not run.
    #[track_caller]
    pub fn synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.connection.section_of_deferred_call(Patience::Forever, Location::caller(), routine)
    }

    /// As [`Deferral::synchronize`], but never waits.
    ///
    /// # Errors
    /// As there; and `TimedOut` where the handler or another routine is running.
    #[track_caller]
    pub fn try_synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.connection.section_of_deferred_call(Patience::None, Location::caller(), routine)
    }

    /// The vector's index.
    pub fn index(&self) -> u16 {
        self.connection.source.index()
    }

    /// Queues the next call: false where one is queued already, or the vector is being disconnected.
    pub fn defer(&self) -> bool {
        self.connection.deferred.queue()
    }

    /// Lets INTx fire again after a handler that answered [`super::Handled::KeepMasked`]. Nothing to do for messages,
    /// and where the vector is being disconnected.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn unmask(&self) -> Result<()> {
        let outcome = self.connection.unmask();
        if self.connection.phase.is_connected() { outcome } else { Ok(()) }
    }

    /// Whether `vector` is the one whose deferred call this is.
    pub fn is_of(&self, vector: &Vector<T>) -> bool {
        vector.is_connected_by(self.connection)
    }
}

/// The thread of a connection's deferred calls. Dropped, it has run what was queued, and ended.
#[derive(Debug)]
pub struct Worker<T: Send + 'static> {
    connection: Arc<Connection<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Worker<T> {
    pub fn spawn(connection: Arc<Connection<T>>, mut routine: Routine<T>) -> std::io::Result<Self> {
        let (controller, source) = (&connection.controller, connection.source);
        let name = format!("dirql/{}+{}", controller.short_address(), source.tag());
        let standing = source.standing(controller.number());
        let shared = connection.clone();
        let thread = signals::spawn_masked(name, move || {
            shared.deferred_thread.store(thread_id(), Ordering::Release);
            set_held(standing);
            shared.deferred.serve(|| run(&shared, &mut routine));
            drop(routine);
            shared.deferred_thread.store(0, Ordering::Release);
        })?;
        connection.deferred.serve_by(thread.thread().clone());
        Ok(Self { connection, thread: Some(thread) })
    }
}

impl<T: Send + 'static> Drop for Worker<T> {
    fn drop(&mut self) {
        self.connection.deferred.stop();
        let Some(thread) = self.thread.take() else { return };
        if thread.join().is_err() {
            log::error!("{}: the thread of deferred calls panicked", self.connection.name());
        }
    }
}

fn run<T: Send + 'static>(connection: &Connection<T>, routine: &mut Routine<T>) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| routine(&Deferral { connection })));
    connection.counters.deferred(began, began.elapsed());
    if let Err(panic) = outcome {
        connection.report(FaultKind::DeferredCallPanicked(words_of(panic)));
    }
}
