//! Enabling interrupts and connecting handlers.

use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::connection::Ownership;
use super::controller::Controller;
use super::{
    Event, Fault, IntoHandled, LockGroup, Mode, Observer, Overrun, Priority, Request, Vector, VectorBuilder,
    VectorSet, VectorStatistics, vector_set,
};
use crate::core::Core;
use crate::synchronize::{SyncError, signals};
use crate::trace::Trace;
use crate::{Error, ErrorKind, Result};

/// The interrupts of a device, of one mode.
///
/// Handlers that were connected keep them enabled: this value may be dropped once all are.
#[derive(Debug)]
pub struct Interrupts {
    controller: Arc<Controller>,
}

impl Interrupts {
    pub(crate) fn enable(core: Arc<Core>, request: Request) -> Result<Self> {
        if core.interrupts_enabled.swap(true, Ordering::AcqRel) {
            return Err(Error::new(ErrorKind::Busy, "enabling of interrupts")
                .on(core.address())
                .why("this process has enabled them already, and a vector or its owner still lives"));
        }
        let controller = Controller::enable(core.clone(), request)
            .inspect_err(|_| core.interrupts_enabled.store(false, Ordering::Release))?;
        let controller = Arc::new(controller);
        let revoked: Weak<Controller> = Arc::downgrade(&controller);
        core.on_revoke(revoked);
        Ok(Self { controller })
    }

    /// How interrupts arrive; `None` where the device is declared to have none.
    pub fn mode(&self) -> Option<Mode> {
        self.controller.mode()
    }

    /// How many vectors there are.
    pub fn count(&self) -> u16 {
        self.controller.count()
    }

    /// Connects `handler` to the vector `index`, and moves `state` into its lock.
    ///
    /// The handler runs on a thread of its own, named `dirql/<address>/<index>`, with `state` in its section. It may
    /// run before this returns; the driver lets the device raise interrupts only after.
    ///
    /// A handler that uses `?` says what it returns, because nothing else does:
    ///
    /// ```no_run
    /// # use dirql::interrupt::{Handled, Interrupts};
    /// # fn connect(mut interrupts: Interrupts, bar: dirql::region::Bar) -> dirql::Result<()> {
    /// # const CAUSE: dirql::region::Register<u32> = dirql::region::Register::new(0, "CAUSE");
    /// let vector = interrupts.connect(0, 0_u32, move |causes, _event| -> dirql::Result<Handled> {
    ///     *causes |= bar.read(CAUSE)?;
    ///     Ok(Handled::Yes)
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an index out of range, `Busy` where a handler is connected; E11 where the kernel refuses.
    pub fn connect<T, F, H>(&mut self, index: u16, state: T, handler: F) -> Result<Vector<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut T, Event<'_>) -> H + Send + 'static,
        H: IntoHandled,
    {
        self.vector(index, state).connect(handler)
    }

    /// The vector `index` with `state` for its lock, to be connected once it is said how it is to be served.
    pub fn vector<T: Send + 'static>(&mut self, index: u16, state: T) -> VectorBuilder<'_, T> {
        VectorBuilder::new(&self.controller, index, Ok(Ownership::Own(state)))
    }

    /// One lock with one `state` for several vectors: see [`Interrupts::vector_in`].
    ///
    /// # Errors
    /// `InvalidArgument` for no vectors, or one that there is not.
    pub fn group<T: Send + 'static>(&self, members: &[u16], state: T) -> Result<LockGroup<T>> {
        LockGroup::new(&self.controller, members, state)
    }

    /// The vector `index` with the state of `group`, to be connected.
    pub fn vector_in<T: Send + 'static>(&mut self, group: &LockGroup<T>, index: u16) -> VectorBuilder<'_, T> {
        VectorBuilder::new(&self.controller, index, group.share(&self.controller, index))
    }

    /// Runs `routine` serialized with the handler of a vector that is known by its index only, as
    /// `DxgkCbSynchronizeExecution` does. The handler's state is not reached this way: see [`Vector::synchronize`].
    ///
    /// # Errors
    /// `InvalidVector` for an index out of range, `NotConnected` without a handler; else as [`Vector::synchronize`].
    #[track_caller]
    pub fn synchronize<R>(&self, index: u16, routine: impl FnOnce() -> R) -> Result<R, SyncError> {
        let vector = self.controller.slots().get(index)?;
        let mut routine = Some(routine);
        let mut result = None;
        vector.synchronize(Location::caller(), &mut || result = routine.take().map(|routine| routine()))?;
        result.ok_or(SyncError::NotConnected)
    }

    /// Runs `routine` once, serialized with the handlers of all these vectors. Each lock is taken once, in lock order
    /// whatever the order of `indices`, so that sets never wait for each other in a circle.
    ///
    /// ```no_run
    /// # fn balance(interrupts: &dirql::interrupt::Interrupts, rx: &dirql::interrupt::Vector<u64>,
    /// #            tx: &dirql::interrupt::Vector<u64>) -> Result<(), dirql::synchronize::SyncError> {
    /// let seen = interrupts.synchronize_set(&[rx.index(), tx.index()], |set| {
    ///     let received = set.state(rx).copied()?;
    ///     Some(received + *set.state(tx)?)
    /// })?;
    /// # let _ = seen;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// On every error `routine` has not run, and nothing is held: `InvalidVector` for any index out of range, then
    /// `NotConnected` for any vector without a handler; else as [`Vector::synchronize`] for any of them.
    ///
    /// Source: R12 of `docs/synchronize.md`.
    #[track_caller]
    pub fn synchronize_set<R>(
        &self,
        indices: &[u16],
        routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
    ) -> Result<R, SyncError> {
        vector_set::of_each(&self.controller, indices, Location::caller(), routine)
    }

    /// As [`Interrupts::synchronize_set`], of every vector that has a handler.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn synchronize_all<R>(
        &self,
        routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
    ) -> Result<R, SyncError> {
        vector_set::of_all(&self.controller, Location::caller(), routine)
    }

    /// As [`Interrupts::synchronize`] where the priority is `Medium` or `High`; at `Low`, `routine` is only kept from
    /// being disturbed by signals. Where the device is declared to have no interrupts, there is nothing to be
    /// serialized with, and every priority is `Low`.
    ///
    /// # Errors
    /// As there, where it is serialized; `InvalidVector` at any priority for an index out of range.
    #[track_caller]
    pub fn synchronize_at<R>(
        &self,
        priority: Priority,
        index: u16,
        routine: impl FnOnce() -> R,
    ) -> Result<R, SyncError> {
        let has_none = self.mode().is_none();
        match self.controller.slots().get(index) {
            Err(SyncError::InvalidVector) if !(has_none && index == 0) => Err(SyncError::InvalidVector),
            _ if has_none || priority == Priority::Low => {
                self.controller.presence().check()?;
                let _undisturbed = signals::mask_thread();
                Ok(routine())
            }
            _ => self.synchronize(index, routine),
        }
    }

    /// Queues the deferred call of a vector: see [`Vector::defer`].
    ///
    /// # Errors
    /// `InvalidVector` for an index out of range, `NotConnected`, `Disconnecting`, `Forked`.
    pub fn defer(&self, index: u16) -> Result<bool, SyncError> {
        self.controller.slots().get(index)?.defer()
    }

    /// Raises the vector as if the device had: the loopback self-test. The device itself is not involved.
    ///
    /// # Errors
    /// E11 where the vector is not enabled.
    pub fn fire(&self, index: u16) -> Result<()> {
        self.controller.fire(index)
    }

    /// What was counted of every connected vector, by index.
    pub fn statistics(&self) -> Vec<VectorStatistics> {
        self.controller.statistics()
    }

    /// Calls `hook`, on the vector's thread, whenever a handler goes wrong. Without one, the fault is logged. A hook that
    /// owns a vector keeps the device open: give it a `Weak`.
    pub fn on_fault(&self, hook: impl Fn(&Fault) + Send + Sync + 'static) {
        self.controller.set_hook(hook);
    }

    /// Calls `hook` whenever a handler or a section is found to have held a vector beyond its budget
    /// ([`Vector::set_hold_budget`]): on the thread that found it, once it has left the vector. A panic in the hook is
    /// caught and logged. While a hook runs, its own thread's overruns are counted and not told.
    pub fn on_overrun(&self, hook: impl Fn(&Overrun) + Send + Sync + 'static) {
        self.controller.observation().overruns.set(hook);
    }

    /// A way to look at the device's vectors that keeps nothing alive.
    pub fn observer(&self) -> Observer {
        Observer::new(&self.controller)
    }

    /// Starts a trace of handlers, sections and deferred calls, with room for `capacity` events; what finds no room is
    /// counted. Until it is finished or dropped, every section is timed.
    ///
    /// # Errors
    /// `Busy` while another trace of the device runs.
    pub fn trace(&self, capacity: usize) -> Result<Trace> {
        self.observer().trace(capacity)
    }
}
