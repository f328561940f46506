//! The heart: a lock that owns its data, shared by an interrupt handler and the routines that must not meet it.
//!
//! [`Protected`] is that lock. A routine that runs in its section has the data to itself: exclusion comes from the lock
//! alone, and signals are kept off the holder so that it is not diverted while others wait. Drivers meet this module
//! through [`crate::interrupt::Vector`].
//!
//! Source: `docs/synchronize.md`; seeds `KSYNCHRONIZE_ROUTINE` (wdm.h) and `MINIPORT_SYNCHRONIZE_INTERRUPT` (ndis.h).

mod call_site;
mod completion;
mod error;
mod fork;
mod futex;
mod lock;
mod patience;
mod protected;
mod rank;
mod scheduling;
mod set;
pub mod signals;
pub(crate) mod sync;
mod thread;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use self::call_site::CallSiteCell;
pub use self::completion::Completion;
pub use self::error::SyncError;
pub(crate) use self::fork::{count as fork_count, watch as watch_forks};
pub(crate) use self::patience::Patience;
pub use self::protected::Protected;
pub(crate) use self::protected::Section;
pub use self::rank::Rank;
pub use self::scheduling::Scheduling;
pub use self::set::{Held, Member, synchronize_set, synchronize_set_timeout, try_synchronize_set};
pub(crate) use self::thread::{held, id as thread_id, set_held};

/// Locks a mutex of our own bookkeeping: a panic elsewhere leaves it usable.
pub(crate) fn unpoisoned<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
