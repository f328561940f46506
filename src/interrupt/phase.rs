//! Where a vector is in its life: connected → disconnecting → not connected, once.

use super::sync::{AtomicU8, Ordering};
use crate::synchronize::SyncError;

const CONNECTED: u8 = 0;
const DISCONNECTING: u8 = 1;
const NOT_CONNECTED: u8 = 2;

/// The phase of one connection. A reconnected vector is another connection, with a phase of its own.
#[derive(Debug, Default)]
pub struct Phase(AtomicU8);

/// A caller that was admitted, and has yet to come into the section.
#[derive(Debug)]
pub struct Admitted<'a>(&'a Phase);

impl Phase {
    /// Nothing, where calls may go on; otherwise what to tell the caller.
    #[inline]
    pub fn admit(&self) -> Result<(), SyncError> {
        match self.0.load(Ordering::Acquire) {
            CONNECTED => Ok(()),
            DISCONNECTING => Err(SyncError::Disconnecting),
            _ => Err(SyncError::NotConnected),
        }
    }

    /// Has `enter` wait for the section, which there asks once more.
    #[inline]
    pub fn pass<R>(&self, enter: impl FnOnce(Admitted<'_>) -> Result<R, SyncError>) -> Result<R, SyncError> {
        self.admit()?;
        enter(Admitted(self))
    }

    pub fn is_connected(&self) -> bool {
        self.admit().is_ok()
    }

    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == NOT_CONNECTED
    }

    /// Begins the disconnection: true for the one caller that wins it, and who then has it `quieted`.
    pub fn begin_disconnecting(&self, quieted: impl FnOnce()) -> bool {
        let won = if cfg!(mutation = "two_winners") {
            self.0.store(DISCONNECTING, Ordering::Release);
            true
        } else {
            self.0.compare_exchange(CONNECTED, DISCONNECTING, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        if won {
            quieted();
        }
        won
    }

    /// Ends the connection, once `emptied` has waited for who is inside and taken out what is there.
    pub fn end(&self, emptied: impl FnOnce()) {
        if cfg!(mutation = "over_too_early") {
            self.0.store(NOT_CONNECTED, Ordering::Release);
            return emptied();
        }
        emptied();
        self.0.store(NOT_CONNECTED, Ordering::Release);
    }
}

impl Admitted<'_> {
    /// Asked in the section: disconnected while this thread waited, the state may be there still, but the promise has
    /// ended.
    #[inline]
    pub fn again(self) -> Result<(), SyncError> {
        if cfg!(mutation = "admitted_once") { Ok(()) } else { self.0.admit() }
    }
}
