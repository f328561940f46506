//! The error source: what PCI Express reports of the device, to a handler with a state of its own.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::builder;
use super::connection::Ownership;
use super::controller::Controller;
use super::delivery::Service;
use super::source::Source;
use super::{Fault, Handled, StormLimit, Vector, Wait};
use crate::core::Core;
use crate::synchronize::SyncError;
use crate::{Error, ErrorKind, Result};

/// What the handler of errors is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorEvent {
    /// How many reports this one call stands for, at least 1.
    pub count: u64,
    /// The device answered nothing but ones when it was looked at: it is gone, and every call of it is told so.
    pub device_is_gone: bool,
}

/// The source of a device's errors, with its handler connected and the state that both reach.
///
/// It has a lock and a thread of its own, and the rules of a vector: see [`Vector`]. In lock order it comes after all
/// vectors of the device.
///
/// Source: `PshedSynchronizeExecution` (ntddk.h); R29 of `docs/synchronize.md`; `VFIO_PCI_ERR_IRQ_INDEX` of vfio.h.
#[derive(Debug)]
pub struct ErrorSource<T: Send + 'static> {
    vector: Vector<T>,
    controller: Arc<Controller>,
}

impl<T: Send + 'static> ErrorSource<T> {
    pub(crate) fn connect<F>(core: &Arc<Core>, state: T, mut handler: F) -> Result<Self>
    where
        F: FnMut(&mut T, ErrorEvent) + Send + 'static,
    {
        if core.errors_enabled.swap(true, Ordering::AcqRel) {
            return Err(Error::new(ErrorKind::Busy, "connecting of the error source")
                .on(core.address())
                .why("a handler is connected to it"));
        }
        let controller = Controller::errors(core.clone())
            .inspect_err(|_| core.errors_enabled.store(false, Ordering::Release))?;
        let controller = Arc::new(controller);
        let revoked: Weak<Controller> = Arc::downgrade(&controller);
        core.on_revoke(revoked);
        let presence = core.presence().clone();
        let storm_limit = StormLimit::default();
        let service = Service { wait: Wait::Block, storm_limit, scheduling: None, deferred: None };
        let vector = builder::connect(
            &controller,
            Source::Error,
            Ownership::Own(state),
            service,
            move |state, count, _| {
                let device_is_gone = presence.is_gone();
                handler(state, ErrorEvent { count, device_is_gone });
                Ok(Handled::Yes)
            },
        )?;
        Ok(Self { vector, controller })
    }

    /// Runs `routine` once, serialized with the handler of errors: see [`Vector::synchronize`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.vector.synchronize(routine)
    }

    /// As [`ErrorSource::synchronize`], but never waits.
    ///
    /// # Errors
    /// As there; and `TimedOut` where the handler or another routine is running.
    #[track_caller]
    pub fn try_synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.vector.try_synchronize(routine)
    }

    /// As [`ErrorSource::synchronize`], but waits no longer than `timeout`.
    ///
    /// # Errors
    /// As there; and `TimedOut`.
    #[track_caller]
    pub fn synchronize_timeout<R>(
        &self,
        timeout: Duration,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.vector.synchronize_timeout(timeout, routine)
    }

    /// How many errors were reported.
    pub fn count(&self) -> u64 {
        self.vector.statistics().count
    }

    /// Whether a panic has left the state half done.
    pub fn is_poisoned(&self) -> bool {
        self.vector.is_poisoned()
    }

    /// Declares the state whole again; reports that came meanwhile are delivered now.
    ///
    /// # Errors
    /// Where the replay cannot be raised.
    pub fn clear_poison(&self) -> Result<()> {
        self.vector.clear_poison()
    }

    /// Calls `hook`, on the source's thread, whenever the handler goes wrong. Without one, the fault is logged.
    pub fn on_fault(&self, hook: impl Fn(&Fault) + Send + Sync + 'static) {
        self.controller.set_hook(hook);
    }

    /// Takes the handler away, and gives the state back: see [`Vector::disconnect`].
    ///
    /// # Errors
    /// As there.
    pub fn disconnect(&self) -> Result<Option<T>, SyncError> {
        self.vector.disconnect()
    }
}
