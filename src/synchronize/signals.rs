//! Signal masks: the part of raising IRQL that a process can do for itself.
//!
//! While a thread holds a section, a signal handler on it would delay everyone who waits. So signals are blocked for
//! the time of the section, all but those that must never be: a blocked synchronous fault kills the process.

use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{Ordering, compiler_fence};
use std::thread::JoinHandle;

use super::thread;

/// Never blocked: synchronous faults, abort, and the two that glibc keeps to itself.
const NEVER_BLOCKED: [libc::c_int; 9] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
    32,
    33,
];

/// The kernel's signal set on 64-bit machines: bit n is signal n + 1. An eighth of glibc's, and so quick to keep.
type KernelSet = u64;

const MASKABLE: KernelSet = {
    let mut set = KernelSet::MAX;
    let mut i = 0;
    while i < NEVER_BLOCKED.len() {
        set &= !(1 << (NEVER_BLOCKED[i] - 1));
        i += 1;
    }
    set
};

/// rt_sigprocmask(2) on this thread; the mask as it was.
#[inline]
fn sigprocmask(how: libc::c_int, set: KernelSet) -> KernelSet {
    let mut before: KernelSet = 0;
    // SAFETY: both sets are valid for the call and of the size told. It fails only for a bad `how`, size or pointer.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const set, &raw mut before, size_of::<KernelSet>())
    };
    before
}

/// Blocks every maskable signal on this thread until as many [`unmask_section`] have come. Two system calls, kept out
/// of the way of sections on masked threads, which make none.
#[cold]
#[inline(never)]
pub(super) fn mask_section() {
    let depth = thread::mask_depth();
    // The depth is there first: a signal handler that runs in between takes the thread for masked, and leaves the
    // mask alone.
    thread::set_mask_depth(depth + 1);
    if depth == 0 {
        compiler_fence(Ordering::SeqCst);
        thread::set_saved_mask(sigprocmask(libc::SIG_BLOCK, MASKABLE));
    }
}

/// Takes one [`mask_section`] back; with the last, the thread's mask is exactly what the first found.
#[cold]
#[inline(never)]
pub(super) fn unmask_section() {
    let depth = thread::mask_depth();
    if depth == 1 {
        sigprocmask(libc::SIG_SETMASK, thread::saved_mask());
        compiler_fence(Ordering::SeqCst);
    }
    thread::set_mask_depth(depth.saturating_sub(1));
}

/// Blocks every maskable signal on this thread until dropped, so that its sections make no system call.
#[derive(Debug)]
#[must_use = "the thread is masked only as long as the guard lives"]
pub struct MaskedThread {
    _this_thread: PhantomData<*const ()>,
}

/// Makes this thread one whose signals stay blocked: sections on it then cost no system call.
///
/// The guard is not `Send`. Guards nest: the first blocks, the last unblocks.
pub fn mask_thread() -> MaskedThread {
    mask_section();
    MaskedThread { _this_thread: PhantomData }
}

impl Drop for MaskedThread {
    fn drop(&mut self) {
        unmask_section();
    }
}

/// Starts a thread that is born with every maskable signal blocked, and stays so.
pub(crate) fn spawn_masked(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // A thread inherits the mask of the one that starts it.
    let _mask = mask_thread();
    std::thread::Builder::new().name(name).spawn(|| {
        thread::set_mask_depth(1);
        body();
    })
}
