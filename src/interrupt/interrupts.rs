//! Enabling interrupts and connecting handlers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::controller::Controller;
use super::vector;
use super::{Event, Fault, IntoHandled, Mode, Request, Vector, VectorStatistics};
use crate::core::Core;
use crate::synchronize::SyncError;
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

    /// How interrupts arrive.
    pub fn mode(&self) -> Mode {
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
    pub fn connect<T, F, H>(&mut self, index: u16, state: T, mut handler: F) -> Result<Vector<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut T, Event) -> H + Send + 'static,
        H: IntoHandled,
    {
        match self.controller.slot(index) {
            Err(SyncError::NotConnected) => {}
            Err(error) => return Err(Error::from(error).on(self.controller.address())),
            Ok(_) => {
                return Err(Error::new(ErrorKind::Busy, format!("connecting of vector {index}"))
                    .on(self.controller.address())
                    .why("a handler is connected to it"));
            }
        }
        vector::connect(&self.controller, index, state, move |state, event| {
            handler(state, event).into_handled()
        })
    }

    /// Runs `routine` serialized with the handler of a vector that is known by its index only, as
    /// `DxgkCbSynchronizeExecution` does. The handler's state is not reached this way: see [`Vector::synchronize`].
    ///
    /// # Errors
    /// `InvalidVector` for an index out of range, `NotConnected` without a handler; else as [`Vector::synchronize`].
    pub fn synchronize<R>(&self, index: u16, routine: impl FnOnce() -> R) -> Result<R, SyncError> {
        let vector = self.controller.slot(index)?;
        let mut routine = Some(routine);
        let mut result = None;
        vector.synchronize(&mut || result = routine.take().map(|routine| routine()))?;
        result.ok_or(SyncError::NotConnected)
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

    /// Calls `hook`, on the vector's thread, whenever a handler goes wrong. Without one, the fault is logged.
    pub fn on_fault(&self, hook: impl Fn(&Fault) + Send + Sync + 'static) {
        self.controller.set_hook(hook);
    }
}
