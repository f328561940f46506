//! Signal masks: the part of raising IRQL that a process can do for itself.
//!
//! While a thread holds a section, a signal handler on it would delay everyone who waits. So signals are blocked for
//! the time of the section, all but those that must never be: a blocked synchronous fault kills the process.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use super::thread;

/// Never blocked: synchronous faults, and abort. glibc itself leaves out its two internal signals.
const NEVER_BLOCKED: [libc::c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];

static MASKABLE: LazyLock<libc::sigset_t> = LazyLock::new(|| {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the whole set, sigdelset takes an initialised one and valid signal numbers.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in NEVER_BLOCKED {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
});

/// The thread's mask as it was; puts it back when dropped.
#[derive(Debug)]
pub(crate) struct SavedMask {
    saved: libc::sigset_t,
    _this_thread: PhantomData<*const ()>,
}

impl SavedMask {
    /// Blocks every maskable signal on this thread.
    #[inline]
    pub fn block() -> Self {
        let mut saved = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, which fails only for an unknown `how` and so writes `saved`.
        let saved = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &*MASKABLE, saved.as_mut_ptr());
            saved.assume_init()
        };
        Self { saved, _this_thread: PhantomData }
    }
}

impl Drop for SavedMask {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `saved` was written by `block`; SIG_SETMASK with a valid set does not fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.saved, std::ptr::null_mut()) };
    }
}

/// Blocks every maskable signal on this thread until dropped, so that its sections make no system call.
#[derive(Debug)]
#[must_use = "the thread is masked only as long as the guard lives"]
pub struct MaskedThread {
    mask: Option<SavedMask>,
}

/// Makes this thread one whose signals stay blocked: sections on it then cost no system call.
///
/// The guard must be dropped on the same thread, and is not `Send`. A second guard on a masked thread changes nothing.
pub fn mask_thread() -> MaskedThread {
    if thread::masked() {
        return MaskedThread { mask: None };
    }
    let mask = SavedMask::block();
    thread::set_masked(true);
    MaskedThread { mask: Some(mask) }
}

impl Drop for MaskedThread {
    fn drop(&mut self) {
        if self.mask.is_some() {
            thread::set_masked(false);
        }
    }
}

/// Runs `start`, which spawns a thread, so that the thread is born with every maskable signal blocked.
pub(crate) fn born_masked<R>(start: impl FnOnce() -> R) -> R {
    let _mask = SavedMask::block();
    start()
}
