//! One connection of a handler: what it is made of, and how it ends.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EventFd};

use super::backlog::Backlog;
use super::controller::Controller;
use super::counters::Counters;
use super::phase::Phase;
use super::slot::Slot;
use super::source::Source;
use super::{Fault, FaultKind};
use crate::presence::Presence;
use crate::synchronize::{self, Completion, Protected, SyncError, held, thread_id, unpoisoned};
use crate::{Error, Result};

/// The state behind its lock: `None` once it has been taken out.
pub type State<T> = Protected<Option<T>>;

/// The section of a connection.
pub type Section<'a, T> = synchronize::Section<'a, Option<T>>;

/// Whose the state is.
#[derive(Debug)]
pub enum Ownership<T> {
    /// The connection's alone, and given back at its end.
    Own(T),
    /// A group's, whose lock the connection shares.
    Shared(Arc<State<T>>),
}

/// One connection of a handler to its source, shared by its threads and its [`super::Vector`].
///
/// A reconnected vector gets another connection with another eventfd, so nothing of the old one can reach it.
#[derive(Debug)]
pub struct Connection<T> {
    pub source: Source,
    pub state: Arc<State<T>>,
    pub phase: Phase,
    pub eventfd: EventFd,
    pub counters: Counters,
    pub controller: Arc<Controller>,
    pub deferred: Slot,
    pub backlog: Backlog,
    pub presence: Arc<Presence>,
    /// The kernel's ids of the threads of handler and deferred calls, while they run.
    pub handler_thread: AtomicU32,
    pub deferred_thread: AtomicU32,
    /// The real-time priority of the handler's thread; 0 for none.
    pub priority: AtomicU8,
    pub is_shared: bool,
    /// Quieted because its interrupts meant nothing.
    pub faulted: AtomicBool,
    /// A handler has the line, and nobody has said yet that it may fire again.
    pub line_is_kept: AtomicBool,
    /// Held while the kernel's trigger is set or taken away.
    pub trigger: Mutex<()>,
    /// The state, once the threads have ended.
    pub remains: Mutex<Option<T>>,
    pub over: Completion,
}

impl<T: Send + 'static> Connection<T> {
    pub fn new(
        controller: Arc<Controller>,
        source: Source,
        state: Ownership<T>,
        takes_deferred_calls: bool,
    ) -> std::io::Result<Self> {
        let is_shared = matches!(state, Ownership::Shared(_));
        let state = match state {
            Ownership::Own(state) => Arc::new(Protected::new(source.rank(controller.number()), Some(state))),
            Ownership::Shared(state) => state,
        };
        Ok(Self {
            source,
            state,
            phase: Phase::default(),
            eventfd: EventFd::new(EFD_CLOEXEC)?,
            counters: Counters::new(controller.observation().track(source.index())),
            deferred: Slot::new(takes_deferred_calls),
            backlog: Backlog::default(),
            presence: controller.presence().clone(),
            controller,
            handler_thread: AtomicU32::new(0),
            deferred_thread: AtomicU32::new(0),
            priority: AtomicU8::new(0),
            is_shared,
            faulted: AtomicBool::new(false),
            line_is_kept: AtomicBool::new(false),
            trigger: Mutex::new(()),
            remains: Mutex::new(None),
            over: Completion::new(),
        })
    }

    /// Whether the state is there: that of a group may have been taken out.
    pub fn has_state(&self) -> Result<bool, SyncError> {
        let section = self.state.enter_poisoned()?;
        let is_there = section.is_some();
        section.finish();
        Ok(is_there)
    }

    /// Whether the caller is this connection's handler, deferred call or fault hook, or what they dropped.
    pub fn on_own_thread(&self) -> bool {
        let me = thread_id();
        self.handler_thread.load(Ordering::Acquire) == me
            || self.deferred_thread.load(Ordering::Acquire) == me
    }

    /// Whether this thread may wait for handler and deferred calls to end.
    pub fn may_wait_for_end(&self) -> Result<(), SyncError> {
        if self.state.held_by_me() {
            return Err(SyncError::Reentrant);
        }
        // Whoever waits for the end waits for sections and deferred calls; they may be waiting for what is held here.
        if held() >= self.source.standing(self.controller.number()) {
            Err(SyncError::LockOrder)
        } else {
            Ok(())
        }
    }

    pub fn is_forked(&self) -> bool {
        self.controller.is_forked()
    }

    /// Nothing, where the eventfd and the threads are this process's.
    pub fn own(&self) -> Result<(), SyncError> {
        if self.is_forked() { Err(SyncError::Forked) } else { Ok(()) }
    }

    /// What it is, for messages.
    pub fn name(&self) -> String {
        format!("{} {}", self.controller.address(), self.source)
    }

    /// Tells the kernel which eventfd to signal, unless the connection is about to end.
    pub fn attach(&self) -> Result<()> {
        let _one_at_a_time = unpoisoned(&self.trigger);
        self.attach_alone()
    }

    /// As [`Connection::attach`], for whoever has the trigger.
    pub fn attach_alone(&self) -> Result<()> {
        self.phase.admit()?;
        self.controller.attach(self.source, &self.eventfd)
    }

    pub fn detach(&self) {
        let _one_at_a_time = unpoisoned(&self.trigger);
        self.controller.detach(self.source);
    }

    /// Begins to disconnect; true for the caller that did.
    pub fn stop(&self) -> bool {
        // The device and the eventfd are the parent's.
        if self.is_forked() {
            return false;
        }
        self.phase.begin_disconnecting(|| {
            self.detach();
            self.wake();
        })
    }

    /// Wakes the thread, which looks at the phase.
    pub fn wake(&self) {
        if let Err(error) = self.eventfd.write(1) {
            log::error!("{}: waking of its thread: {error}", self.name());
        }
    }

    /// Waits for the threads to have ended; false after `timeout`. Any number of callers may wait.
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

    /// Before an error is told to its handler: whether the device answers. In no section, for the device may be gone
    /// while one is held or poisoned.
    pub fn verify_presence(&self) {
        if self.source == Source::Error && self.controller.device_is_gone() && self.presence.mark_gone() {
            log::error!("{}: the device is gone", self.controller.address());
        }
    }

    /// Which lock it is.
    pub fn lock(&self) -> *const () {
        Arc::as_ptr(&self.state).cast()
    }

    pub fn fail(&self, error: &std::io::Error, operation: &str) -> Error {
        Error::io(error, operation).on(self.controller.address())
    }

    pub fn report(&self, kind: FaultKind) {
        self.controller.report(&Fault { vector: self.source.index(), kind });
    }

    /// Reports an error, unless a disconnect has taken the source away under us.
    pub fn unless_over(&self, outcome: Result<()>) {
        match outcome {
            Err(error) if self.phase.is_connected() && !self.presence.is_gone() => {
                self.report(FaultKind::DeliveryFailed(error));
            }
            _ => {}
        }
    }

    /// Begins the end, where nobody has: the thread ended by a failure of its own.
    pub fn begin_end(&self) {
        self.phase.begin_disconnecting(|| self.detach());
    }

    /// Takes the state out, unless it is a group's, and says that all is over.
    pub fn end(&self) {
        self.phase.end(|| {
            // Also a group's section is entered: whoever was let in by this connection has left it then.
            match self.state.enter_poisoned() {
                Ok(mut section) => {
                    if !self.is_shared {
                        *unpoisoned(&self.remains) = section.take();
                    }
                    section.finish();
                }
                Err(error) => log::error!("{}: end: {error}", self.name()),
            }
            // The kernel may give the id to another thread.
            self.handler_thread.store(0, Ordering::Release);
        });
        self.controller.slots().leave(self.source.index(), std::ptr::from_ref(self).cast());
        self.over.complete();
    }
}
