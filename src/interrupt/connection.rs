//! One connection of a handler: the state, the ways into its section, and how it ends.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EventFd};

use super::backlog::Backlog;
use super::controller::{AnyVector, Controller};
use super::counters::{Counters, Late, Timing};
use super::phase::Phase;
use super::slot::Slot;
use super::source::Source;
use super::{Fault, FaultKind, VectorStatistics};
use crate::presence::Presence;
use crate::synchronize::{
    self, Completion, Member, Patience, Protected, Scheduling, SyncError, held, thread_id, unpoisoned,
};
use crate::{Error, ErrorKind, Result};

/// How long a thread may take to run for the first time.
const START_TIMEOUT: Duration = Duration::from_secs(10);

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
    priority: AtomicU8,
    is_shared: bool,
    /// Quieted because its interrupts meant nothing.
    faulted: AtomicBool,
    /// A handler has the line, and nobody has said yet that it may fire again.
    line_is_kept: AtomicBool,
    /// Held while the kernel's trigger is set or taken away.
    trigger: Mutex<()>,
    /// The state, once the threads have ended.
    remains: Mutex<Option<T>>,
    over: Completion,
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
        let admitted = if self.presence.is_gone() { Err(SyncError::DeviceGone) } else { admitted };
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
    fn own(&self) -> Result<(), SyncError> {
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
    fn attach_alone(&self) -> Result<()> {
        self.phase.admit()?;
        self.controller.attach(self.source, &self.eventfd)
    }

    fn detach(&self) {
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
    fn wake(&self) {
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

    /// Whether the handler may still be called. That of errors is the one to hear that the device is gone.
    pub fn is_live(&self) -> bool {
        self.phase.is_connected() && (self.source == Source::Error || !self.presence.is_gone())
    }

    /// Before an error is told to its handler: whether the device answers. In no section, for the device may be gone
    /// while one is held or poisoned.
    pub fn verify_presence(&self) {
        if self.source == Source::Error && self.controller.device_is_gone() && self.presence.mark_gone() {
            log::error!("{}: the device is gone", self.controller.address());
        }
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

    /// Has the kernel schedule the handler's thread so, and those of its group no lower.
    pub fn schedule(&self, scheduling: Option<&Scheduling>) -> Result<()> {
        if let Some(scheduling) = scheduling {
            self.apply(scheduling)?;
        }
        if self.is_shared { self.controller.raise_to_ceiling(self.lock()) } else { Ok(()) }
    }

    fn apply(&self, scheduling: &Scheduling) -> Result<()> {
        scheduling.apply_to(self.started()?).map_err(|error| error.on(self.controller.address()))?;
        if let Some(priority) = scheduling.priority() {
            self.priority.store(priority, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The kernel's id of the handler's thread, once that runs.
    fn started(&self) -> Result<u32> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            self.phase.admit()?;
            match self.handler_thread.load(Ordering::Acquire) {
                0 if Instant::now() < deadline => std::thread::yield_now(),
                0 => {
                    return Err(Error::new(
                        ErrorKind::Failure,
                        format!("start of the thread of {}", self.source),
                    )
                    .on(self.controller.address())
                    .why(format!("it did not run within {} s", START_TIMEOUT.as_secs())));
                }
                thread => return Ok(thread),
            }
        }
    }

    /// Which lock it is.
    fn lock(&self) -> *const () {
        Arc::as_ptr(&self.state).cast()
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

    fn resume(&self) -> Result<()> {
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

/// Counts the panic that drops it.
struct Poisoning<'a>(&'a Counters);

impl Drop for Poisoning<'_> {
    fn drop(&mut self) {
        self.0.poisoned();
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

    fn is_over(&self) -> bool {
        self.phase.is_over()
    }
}
