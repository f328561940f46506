//! Whether an opened device is there, and this process's.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::synchronize::{SyncError, fork_count};

const PRESENT: u8 = 0;
const GONE: u8 = 1;

/// Shared by whatever reaches the device: it is there until somebody found that it is not.
#[derive(Debug)]
pub(crate) struct Presence {
    state: AtomicU8,
    /// Forks before the device was opened: more, and this is a child, whose device it is not.
    forks: u32,
}

impl Presence {
    pub fn new() -> Self {
        Self { state: AtomicU8::new(PRESENT), forks: fork_count() }
    }

    /// Nothing, where the device can be reached.
    ///
    /// # Errors
    /// `Forked` in a child, `DeviceGone` once the device does not answer or the host has it back.
    #[inline]
    pub fn check(&self) -> Result<(), SyncError> {
        if self.is_forked() {
            return Err(SyncError::Forked);
        }
        if self.is_gone() { Err(SyncError::DeviceGone) } else { Ok(()) }
    }

    /// Whether the process has forked since, and this is the child.
    #[inline]
    pub fn is_forked(&self) -> bool {
        fork_count() != self.forks
    }

    /// Whether the device was found gone.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) == GONE
    }

    /// From now on, calls and those who wait are told `DeviceGone`. True for the first who says so.
    pub fn mark_gone(&self) -> bool {
        self.state.swap(GONE, Ordering::AcqRel) != GONE
    }
}
