//! Why a section was not entered.

use std::fmt;

use crate::{Error, ErrorKind};

/// Why a section was not entered. On every one of these the routine has not run.
///
/// A bad argument is told before a bad state, as `DxgkCbSynchronizeExecution` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncError {
    /// There is no vector of this index: beyond the count, or not 0 where the interrupt is line-based.
    InvalidVector,
    /// The vector has no handler.
    NotConnected,
    /// The vector's handler is being taken away.
    Disconnecting,
    /// This thread is in a section or handler of the same vector already.
    Reentrant,
    /// This thread holds a vector that comes at or after this one in lock order.
    LockOrder,
    /// A routine or handler panicked while it held the vector, or a thread died in it.
    Poisoned,
    /// The section was not free in time; a `try_` waits for no time at all.
    TimedOut,
    /// The process has forked since, and this is the child.
    Forked,
    /// The device no longer answers, or the host has taken it back.
    DeviceGone,
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidVector => "there is no vector of this index",
            Self::NotConnected => "the vector has no handler",
            Self::Disconnecting => "the vector is being disconnected",
            Self::Reentrant => "this thread is in the vector's section already",
            Self::LockOrder => "this thread holds a vector that comes at or after this one in lock order",
            Self::Poisoned => "a routine or handler of the vector panicked, or its thread died",
            Self::TimedOut => "the section was not free in time",
            Self::Forked => "the process has forked since the vector was connected",
            Self::DeviceGone => "the device is gone: it no longer answers, or the host has taken it back",
        })
    }
}

impl std::error::Error for SyncError {}

impl From<SyncError> for Error {
    fn from(error: SyncError) -> Self {
        let kind = match error {
            SyncError::InvalidVector => ErrorKind::InvalidArgument,
            SyncError::TimedOut => ErrorKind::Busy,
            SyncError::Poisoned | SyncError::DeviceGone => ErrorKind::Device,
            _ => ErrorKind::Failure,
        };
        let told = Error::new(kind, "synchronization with an interrupt handler").why(error.to_string());
        if error == SyncError::DeviceGone { told.errno(nix::errno::Errno::ENODEV) } else { told }
    }
}
