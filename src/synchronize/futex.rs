//! The kernel's priority-inheritance futex: `FUTEX_LOCK_PI` and `FUTEX_UNLOCK_PI` of futex(2).

use std::sync::atomic::AtomicU32;

use nix::errno::Errno;

/// The part of the word that holds the owner's thread id.
pub const TID: u32 = libc::FUTEX_TID_MASK;
/// Set in the word by the kernel where the owner died while others waited.
pub const OWNER_DIED: u32 = libc::FUTEX_OWNER_DIED;

fn futex(word: &AtomicU32, operation: libc::c_int) -> Result<(), Errno> {
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: the word is valid for the call, and these operations read and write nothing else.
    let answer = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, 0, no_timeout)
    };
    if answer < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Waits until this thread owns the word; whoever owns it meanwhile runs at least at this thread's priority.
#[cold]
pub fn lock_pi(word: &AtomicU32) -> Result<(), Errno> {
    futex(word, libc::FUTEX_LOCK_PI)
}

/// Hands the word to the waiter of the highest priority.
#[cold]
pub fn unlock_pi(word: &AtomicU32) -> Result<(), Errno> {
    futex(word, libc::FUTEX_UNLOCK_PI)
}

/// Whether the thread that owns the word is no more: tgkill(2) with no signal.
pub fn owner_is_dead(word: u32) -> bool {
    let owner = (word & TID).cast_signed();
    // SAFETY: no signal is sent; the call only asks whether the thread exists.
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), owner, 0) };
    owner != 0 && answer < 0 && Errno::last() == Errno::ESRCH
}
