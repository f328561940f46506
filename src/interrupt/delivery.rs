//! From the eventfd to the handler: one thread a connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use super::connection::Connection;
use super::deferred::{Routine, Worker};
use super::fault::words_of;
use super::slot::Slot;
use super::storm::{StormGuard, StormLimit};
use super::{FaultKind, Handled, Wait};
use crate::synchronize::{Scheduling, SyncError, set_held, signals, thread_id};
use crate::{Error, Result};

/// How a connection is served.
pub struct Service<T: Send + 'static> {
    pub wait: Wait,
    pub storm_limit: StormLimit,
    pub scheduling: Option<Scheduling>,
    pub deferred: Option<Routine<T>>,
}

/// What runs when a connection's source has fired so many times.
pub trait Handler<T>: FnMut(&mut T, u64, &Slot) -> Result<Handled> + Send + 'static {}

impl<T, F: FnMut(&mut T, u64, &Slot) -> Result<Handled> + Send + 'static> Handler<T> for F {}

/// Starts the connection's threads; that of the handler waits on the eventfd at once.
pub fn spawn<T: Send + 'static>(
    connection: Arc<Connection<T>>,
    service: Service<T>,
    handler: impl Handler<T>,
) -> std::io::Result<JoinHandle<()>> {
    let Service { wait, storm_limit, deferred, .. } = service;
    let worker = deferred.map(|routine| Worker::spawn(connection.clone(), routine)).transpose()?;
    let name = format!("dirql/{}/{}", connection.controller.short_address(), connection.source.tag());
    signals::spawn_masked(name, move || {
        // For what runs outside of the section: hooks, and what the handler owns and drops.
        set_held(connection.source.standing(connection.controller.number()));
        let _ending = Ending { connection: &connection, worker };
        Delivery { connection: &connection, storm: StormGuard::new(storm_limit), handler }.run(wait);
    })
}

/// Ends the connection with its thread, also where a destructor of the handler panics.
struct Ending<'a, T: Send + 'static> {
    connection: &'a Connection<T>,
    worker: Option<Worker<T>>,
}

impl<T: Send + 'static> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        self.connection.begin_end();
        // What the handler deferred still finds the state.
        drop(self.worker.take());
        self.connection.end();
    }
}

/// The handler's thread.
struct Delivery<'a, T: Send + 'static, H> {
    connection: &'a Connection<T>,
    storm: StormGuard,
    handler: H,
}

impl<T: Send + 'static, H: Handler<T>> Delivery<'_, T, H> {
    fn run(mut self, wait: Wait) {
        let connection = self.connection;
        connection.handler_thread.store(thread_id(), Ordering::Release);
        while connection.phase.is_connected() {
            match wait.take(&connection.eventfd) {
                Ok(count) if connection.phase.is_connected() => {
                    connection.verify_presence();
                    connection.counters.arrived(count);
                    self.dispatch(count);
                }
                Ok(_) => break,
                Err(errno) => {
                    let error = Error::os(errno, "read of an eventfd").on(connection.controller.address());
                    return connection.report(FaultKind::DeliveryFailed(error));
                }
            }
        }
    }

    /// One call of the handler for `count` interrupts.
    fn dispatch(&mut self, count: u64) {
        let connection = self.connection;
        let mut section = match connection.state.enter() {
            Ok(section) => section,
            Err(SyncError::Poisoned) => return connection.unless_over(connection.keep(count)),
            Err(error) => return connection.report(FaultKind::DeliveryFailed(error.into())),
        };
        let waited = section.waited_ns();
        let inactive = connection.backlog.is_inactive();
        let state = match section.as_mut() {
            Some(state) if connection.is_live() && !inactive => state,
            _ => {
                section.finish();
                return if inactive {
                    connection.unless_over(connection.keep(count))
                };
            }
        };
        connection.counters.handler_entered(waited);
        connection.keep_line();
        let began = Instant::now();
        // The state is not looked at after a panic: the section poisons it.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.handler)(state, count, &connection.deferred)));
        let took = began.elapsed();
        match outcome {
            Ok(answer) => {
                let spurious = matches!(answer, Ok(Handled::No));
                let late = connection.counters.handled(began, took, count, spurious);
                section.finish();
                connection.counters.tell(late);
                self.answered(answer, began);
            }
            Err(panic) => {
                // What it did not finish is delivered again once the poison is cleared: the lock says that it is
                // poisoned only after this section.
                connection.backlog.keep(count, || false);
                connection.forget_line();
                drop(section);
                connection.counters.poisoned();
                connection.report(FaultKind::HandlerPanicked(words_of(panic)));
            }
        }
    }

    fn answered(&mut self, answer: Result<Handled>, at: Instant) {
        let connection = self.connection;
        match answer {
            Ok(Handled::No) => {
                if self.storm.fruitless(at) {
                    connection.quiet();
                    return connection.report(FaultKind::Storm);
                }
            }
            Ok(Handled::Yes) => self.storm.calm(),
            Ok(Handled::KeepMasked) => return self.storm.calm(),
            Err(error) => return connection.report(FaultKind::HandlerFailed(error)),
        }
        connection.unless_over(connection.unmask());
    }
}
