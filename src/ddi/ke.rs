//! `KeSynchronizeExecution`: a routine serialized with the handler of an interrupt object.
//!
//! The interrupt object is a [`Vector`]; in its deferred call it is the [`Deferral`], which also works while the vector
//! is being disconnected. What carries over: the object's lock is taken, the routine runs on the caller's thread, the
//! lock is released, and the routine's BOOLEAN comes back.
//!
//! What differs (see [`crate::ddi`] for what all five have in common):
//! - The routine does not run at the handler's IRQL but on the caller's thread, at its priority. In Windows devices of
//!   higher DIRQL may interrupt it; here any other vector's handler may, because it is another thread.
//! - Several interrupts share a section where they share a lock. In Windows a driver hands one spin lock and the
//!   highest DIRQL of the set to `IoConnectInterruptEx` (wider documentation); here a [`LockGroup`] is that lock and
//!   holds the state. There is no level to get wrong.
//! - `KeAcquireInterruptSpinLock` has no counterpart: a section that is a closure cannot be left open.
//! - After `IoDisconnectInterruptEx` there is no interrupt object any more, and a call with it is a use after free (wider
//!   documentation). Here a disconnected vector answers `NotConnected`.
//!
//! ```
//! use dirql::ddi::ke;
//! use dirql::interrupt::{Best, Event, Handled};
//! # use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
//! # struct Silent;
//! # impl Model for Silent {
//! #     fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
//! #     fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
//! # }
//!
//! /// What the handler and the routine share.
//! #[derive(Default)]
//! struct Extension {
//!     interrupts: u64,
//!     limit: u64,
//! }
//!
//! /// The `InterruptService` routine.
//! fn service(extension: &mut Extension, event: Event<'_>) -> Handled {
//!     extension.interrupts += event.count;
//!     Handled::Yes
//! }
//!
//! /// The `SynchCritSection` routine.
//! fn set_limit(extension: &mut Extension, limit: &mut u64) -> bool {
//!     std::mem::swap(&mut extension.limit, limit);
//!     extension.interrupts <= extension.limit
//! }
//!
//! # fn main() -> dirql::Result<()> {
//! # let mut config = ModelConfig::new(0x1af4, 0x1110);
//! # config.msix = 3;
//! # let device = dirql::Device::from_backend(ModelBackend::new(config, Silent))?;
//! let mut interrupts = device.interrupts(Best)?;
//! let interrupt = interrupts.connect(0, Extension::default(), service)?;
//! let mut limit = 100;
//! assert!(ke::synchronize_execution(&interrupt, set_limit, &mut limit)?);
//! assert_eq!(limit, 0); // the one before
//!
//! // Two interrupts, one lock.
//! let shared = interrupts.group(&[1, 2], Extension::default())?;
//! let one = interrupts.vector_in(&shared, 1).connect(service)?;
//! let two = interrupts.vector_in(&shared, 2).connect(service)?;
//! ke::synchronize_execution(&one, set_limit, &mut limit)?;
//! limit = 7;
//! ke::synchronize_execution(&two, set_limit, &mut limit)?;
//! assert_eq!(limit, 0); // what was set through the other
//! # Ok(()) }
//! ```
//!
//! [`LockGroup`]: crate::interrupt::LockGroup
//!
//! Source: seed `KSYNCHRONIZE_ROUTINE` (wdm.h).

use crate::interrupt::{Deferral, Vector};
use crate::synchronize::SyncError;

mod sealed {
    pub trait Sealed {}
}

/// What stands for an interrupt object: a [`Vector`], and in its deferred call the [`Deferral`].
pub trait Interrupt: sealed::Sealed {
    /// What its handler works on.
    type State;

    /// Runs `routine` in the section.
    #[doc(hidden)]
    fn section<R>(&self, routine: impl FnOnce(&mut Self::State) -> R) -> Result<R, SyncError>;
}

impl<T: Send + 'static> sealed::Sealed for Vector<T> {}

impl<T: Send + 'static> Interrupt for Vector<T> {
    type State = T;

    fn section<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.synchronize(routine)
    }
}

impl<T: Send + 'static> sealed::Sealed for Deferral<'_, T> {}

impl<T: Send + 'static> Interrupt for Deferral<'_, T> {
    type State = T;

    fn section<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.synchronize(routine)
    }
}

/// Runs `routine` once, on this thread, while the handler of `interrupt` and every other routine of it, or of an
/// interrupt that shares its lock, stand still; and returns what it returned.
///
/// # Errors
/// As [`Vector::synchronize`]; on every error `routine` has not run.
///
/// Source: `KeSynchronizeExecution` of wdm.h; R1, R4 and R11.
pub fn synchronize_execution<I: Interrupt, C: ?Sized>(
    interrupt: &I,
    routine: impl FnOnce(&mut I::State, &mut C) -> bool,
    context: &mut C,
) -> Result<bool, SyncError> {
    interrupt.section(|state| routine(state, context))
}
