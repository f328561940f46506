//! Whether an opened device is there, and this process's.

use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;

use crate::synchronize::{SyncError, fork_count, watch_forks};
use crate::{Address, Code, Error, ErrorKind, Result};

const PRESENT: u8 = 0;
/// It does not answer.
const GONE: u8 = 1;
/// The host wanted it back, and has it.
const REVOKED: u8 = 2;

/// Shared by whatever reaches the device: it is there until somebody found that it is not.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Only grows.
    state: AtomicU8,
    /// Forks before the device was opened: more, and this is a child, whose device it is not.
    forks: u32,
}

impl Presence {
    pub fn new() -> Self {
        watch_forks();
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

    /// As [`Presence::check`], in the words of whoever wanted to reach the device.
    ///
    /// # Errors
    /// As there.
    pub fn admit(&self, device: Address) -> Result<()> {
        self.check().map_err(|refused| self.refusal(refused).on(device))
    }

    #[cold]
    fn refusal(&self, refused: SyncError) -> Error {
        let operation = "access to the device";
        if refused == SyncError::Forked {
            return Error::new(ErrorKind::Failure, operation)
                .why("the process has forked since the device was opened: it is the parent's");
        }
        let gone = Error::new(ErrorKind::Device, operation).errno(Errno::ENODEV);
        if self.is_revoked() {
            return gone
                .why("the device is gone: the host wanted it back, and took it when it was not let go of")
                .fix("bind it again: sudo dirql bind BDF --owner $USER, and open it anew")
                .code(Code::E13);
        }
        gone.why("the device is gone: it does not answer, or its memory was disabled")
            .fix("open it anew; where it was unplugged, plug it again: dirql list shows what is there")
            .code(Code::E12)
    }

    /// Whether the process has forked since, and this is the child.
    #[inline]
    pub fn is_forked(&self) -> bool {
        fork_count() != self.forks
    }

    /// Whether the device was found gone.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) != PRESENT
    }

    /// Whether the device was taken back by the host, and is closed.
    pub fn is_revoked(&self) -> bool {
        self.state.load(Ordering::Acquire) == REVOKED
    }

    /// From now on, calls and those who wait are told `DeviceGone`. True for the first who says so.
    ///
    /// Safe in a signal handler.
    pub fn mark_gone(&self) -> bool {
        self.state.fetch_max(GONE, Ordering::AcqRel) == PRESENT
    }

    /// As [`Presence::mark_gone`], because the host has the device back. True for the first who says this.
    pub fn mark_revoked(&self) -> bool {
        self.state.fetch_max(REVOKED, Ordering::AcqRel) != REVOKED
    }
}
