//! Where a vector is in its life: connected → disconnecting → not connected, once.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::synchronize::SyncError;

const CONNECTED: u8 = 0;
const DISCONNECTING: u8 = 1;
const NOT_CONNECTED: u8 = 2;

/// The phase of one connection. A reconnected vector is another connection, with a phase of its own.
#[derive(Debug, Default)]
pub struct Phase(AtomicU8);

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

    pub fn is_connected(&self) -> bool {
        self.admit().is_ok()
    }

    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == NOT_CONNECTED
    }

    /// Begins the disconnection: true for the one caller that wins it.
    pub fn begin_disconnecting(&self) -> bool {
        self.0.compare_exchange(CONNECTED, DISCONNECTING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn end(&self) {
        self.0.store(NOT_CONNECTED, Ordering::Release);
    }
}
