//! From the eventfd to the handler: one thread a vector.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EventFd};

use super::controller::Controller;
use super::counters::Counters;
use super::phase::Phase;
use super::{Event, Fault, FaultKind, Handled, Mode};
use crate::synchronize::{self, Completion, Protected, Rank, SyncError, signals, thread_id, unpoisoned};
use crate::{Error, Result};

/// The section of a connection: `None` once the state has been taken out.
pub type Section<'a, T> = synchronize::Section<'a, Option<T>>;

/// One connection of a handler to a vector, shared by its thread and its [`super::Vector`].
///
/// A reconnected vector gets another connection with another eventfd, so nothing of the old one can reach it.
#[derive(Debug)]
pub struct Connection<T> {
    pub index: u16,
    pub state: Protected<Option<T>>,
    pub phase: Phase,
    pub eventfd: EventFd,
    pub counters: Counters,
    pub controller: Arc<Controller>,
    thread: AtomicU32,
    /// Interrupts that came while the vector was poisoned.
    missed: AtomicU64,
    /// The state, once the thread has ended.
    remains: Mutex<Option<T>>,
    over: Completion,
}

impl<T: Send + 'static> Connection<T> {
    pub fn new(controller: Arc<Controller>, index: u16, state: T) -> std::io::Result<Self> {
        Ok(Self {
            index,
            state: Protected::new(Rank::vector(controller.number(), index), Some(state)),
            phase: Phase::default(),
            eventfd: EventFd::new(EFD_CLOEXEC)?,
            counters: Counters::new(controller.observation().track(index)),
            controller,
            thread: AtomicU32::new(0),
            missed: AtomicU64::new(0),
            remains: Mutex::new(None),
            over: Completion::new(),
        })
    }

    /// Whether the caller is this connection's handler, its fault hook, or what they dropped.
    pub fn on_own_thread(&self) -> bool {
        self.thread.load(Ordering::Acquire) == thread_id()
    }

    /// Begins to disconnect; true for the caller that did.
    pub fn stop(&self) -> bool {
        // The device and the eventfd are the parent's.
        if self.controller.is_forked() {
            return false;
        }
        let won = self.phase.begin_disconnecting();
        if won {
            self.controller.detach(self.index);
            self.wake();
        }
        won
    }

    /// Wakes the thread, which looks at the phase.
    fn wake(&self) {
        if let Err(error) = self.eventfd.write(1) {
            log::error!("waking of vector {}: {error}", self.index);
        }
    }

    /// Waits for the thread to have ended; false after `timeout`. Any number of callers may wait.
    pub fn wait_until_over(&self, timeout: Duration) -> bool {
        if !self.over.wait(timeout) {
            return false;
        }
        self.over.complete();
        true
    }

    pub fn take_remains(&self) -> Option<T> {
        unpoisoned(&self.remains).take()
    }

    /// Lets INTx fire again, as long as it is this connection's.
    pub fn unmask(&self) -> Result<()> {
        self.phase.admit()?;
        if self.controller.mode() == Mode::Intx { self.controller.unmask(self.index) } else { Ok(()) }
    }

    /// Delivers what came while the vector was poisoned. A line that is still asserted fires by itself once unmasked.
    pub fn replay(&self) -> Result<()> {
        self.phase.admit()?;
        let missed = self.missed.swap(0, Ordering::SeqCst);
        if missed > 0 && self.controller.mode() != Mode::Intx {
            self.counters.sent_back(missed);
            self.eventfd.write(missed).map_err(|error| self.fail(&error, "replay of interrupts"))?;
        }
        Ok(())
    }

    fn run(&self, mut handler: impl FnMut(&mut T, Event) -> Result<Handled>) {
        self.thread.store(thread_id(), Ordering::Release);
        while self.phase.is_connected() {
            match self.eventfd.read() {
                Ok(count) if self.phase.is_connected() => {
                    self.counters.arrived(count);
                    self.dispatch(&mut handler, count);
                }
                Ok(_) => break,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) => return self.report(undelivered(self.fail(&error, "read of an eventfd"))),
            }
        }
    }

    /// One call of the handler for `count` interrupts.
    fn dispatch(&self, handler: &mut impl FnMut(&mut T, Event) -> Result<Handled>, count: u64) {
        let mut section = match self.state.enter() {
            Ok(section) => section,
            Err(SyncError::Poisoned) => return self.miss(count),
            Err(error) => return self.report(undelivered(error.into())),
        };
        if !self.phase.is_connected() {
            return section.finish();
        }
        self.counters.handler_entered(section.waited_ns());
        let Some(state) = section.as_mut() else { return section.finish() };
        let event = Event { vector: self.index, mode: self.controller.mode(), count };
        let began = Instant::now();
        // The state is not looked at after a panic: the section poisons it.
        let outcome = catch_unwind(AssertUnwindSafe(|| handler(state, event)));
        let took = began.elapsed();
        let fault = match outcome {
            Ok(answer) => {
                let late = self.counters.handled(began, took, count, matches!(answer, Ok(Handled::No)));
                section.finish();
                self.counters.tell(late);
                match answer {
                    Ok(Handled::KeepMasked) => return,
                    Ok(Handled::Yes | Handled::No) => return self.unmask_after_handler(),
                    Err(error) => FaultKind::HandlerFailed(error),
                }
            }
            Err(panic) => {
                // What it did not finish is delivered again once the poison is cleared.
                self.missed.fetch_add(count, Ordering::SeqCst);
                drop(section);
                self.counters.poisoned();
                let words = words_of(panic.as_ref());
                // What was panicked with may panic when it is dropped.
                catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(std::mem::forget);
                FaultKind::HandlerPanicked(words)
            }
        };
        self.report(fault);
    }

    fn fail(&self, error: &std::io::Error, operation: &str) -> Error {
        Error::io(error, operation).on(self.controller.address())
    }

    fn report(&self, kind: FaultKind) {
        self.controller.report(&Fault { vector: self.index, kind });
    }

    fn miss(&self, count: u64) {
        self.missed.fetch_add(count, Ordering::SeqCst);
        if self.state.is_poisoned() {
            return;
        }
        // Cleared between the look and the count: `replay` may have missed it.
        self.unless_over(self.replay());
    }

    fn unmask_after_handler(&self) {
        self.unless_over(self.unmask());
    }

    /// Reports an error, unless a disconnect has taken the line away under us.
    fn unless_over(&self, outcome: Result<()>) {
        match outcome {
            Err(error) if self.phase.is_connected() => self.report(undelivered(error)),
            _ => {}
        }
    }

    /// Takes the state out, and says that all is over.
    fn end(&self) {
        // Not begun by anybody where the thread ends by a failure of its own.
        if self.phase.begin_disconnecting() {
            self.controller.detach(self.index);
        }
        match self.state.enter_poisoned() {
            Ok(mut section) => {
                *unpoisoned(&self.remains) = section.take();
                section.finish();
            }
            Err(error) => log::error!("{}: end of a vector: {error}", self.controller.address()),
        }
        // The kernel may give the id to another thread.
        self.thread.store(0, Ordering::Release);
        self.phase.end();
        self.over.complete();
    }
}

fn undelivered(error: Error) -> FaultKind {
    FaultKind::DeliveryFailed(error)
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}

/// Starts the vector's thread, which waits on the eventfd at once.
pub fn spawn<T: Send + 'static>(
    connection: Arc<Connection<T>>,
    handler: impl FnMut(&mut T, Event) -> Result<Handled> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let name = format!("dirql/{}/{}", connection.controller.short_address(), connection.index);
    signals::spawn_masked(name, move || {
        let _ending = Ending(&connection);
        connection.run(handler);
    })
}

/// Ends the connection with its thread, also where a destructor of the handler panics.
struct Ending<'a, T: Send + 'static>(&'a Connection<T>);

impl<T: Send + 'static> Drop for Ending<'_, T> {
    fn drop(&mut self) {
        self.0.end();
    }
}
