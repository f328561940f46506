//! SIGBUS in a mapped BAR: the kernel's word that the device, or the memory behind its BAR, is not there.
//!
//! The handler puts a page of all ones in the device's place and marks the device gone, so the access that faulted ends
//! as on a bus where nobody answers. Every other SIGBUS goes to the handler that was there before.
//!
//! Source: sigaction(2); `vfio_pci_mmap_fault` of Linux, which raises it while memory decoding is off.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use nix::errno::Errno;

use super::ones::Ones;
use super::registry;

/// The handler that was there before; never freed.
static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(std::ptr::null_mut());

/// From now on, a fault in a registered mapping is survived. Installed once a process.
///
/// # Errors
/// Where the page of ones cannot be made, or the kernel refuses the handler.
pub fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    Ones::prepare()?;
    INSTALLED.get_or_init(install_once).map_err(io::Error::from)
}

fn install_once() -> Result<(), Errno> {
    let mut before = no_action();
    // SAFETY: `before` is valid for the call, which changes nothing else.
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) })?;
    let mut ours = before;
    ours.sa_sigaction = on_sigbus as *const () as usize;
    ours.sa_flags = before.sa_flags & libc::SA_RESTART | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // There before our handler can run.
    BEFORE.store(Box::leak(Box::new(before)), Ordering::Release);
    // SAFETY: `on_sigbus` has the signature that SA_SIGINFO asks for, and makes only async-signal-safe calls.
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, std::ptr::null_mut()) }).map(drop)
}

/// The action that a process is born with.
fn no_action() -> libc::sigaction {
    // SAFETY: all zeros are SIG_DFL, no flags and an empty mask.
    unsafe { std::mem::zeroed() }
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel hands a valid siginfo to a handler with SA_SIGINFO.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    // Sent by kill(2), its kin, or for memory that somebody else uses: no access of this thread.
    let synchronous = code > 0 && code != libc::BUS_MCEERR_AO;
    if !(synchronous && survive(address)) {
        hand_on(signal, info, context, synchronous);
    }
    Errno::set_raw(errno);
}

/// Whether the fault was in a BAR of ours, and the access can go on.
fn survive(address: usize) -> bool {
    // SAFETY: this thread's access to `address` has just faulted, and the answer is used here only.
    let presence = unsafe { registry::faulted(address) };
    let (Some(presence), Some(ones)) = (presence, Ones::prepared()) else {
        return false;
    };
    // Before anybody can read from the page that it is not the device's.
    presence.mark_gone();
    // SAFETY: the page belongs to a registered mapping, whose owner agreed to this by registering it.
    unsafe { ones.replace_page(address) }
}

/// Does what would have happened without this handler.
fn hand_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void, synchronous: bool) {
    let before = BEFORE.load(Ordering::Acquire);
    // SAFETY: set before this handler was installed, to what is never freed.
    let before = unsafe { before.as_ref() }.copied().unwrap_or_else(no_action);
    match before.sa_sigaction {
        libc::SIG_IGN if !synchronous => {}
        // The kernel kills for a fault also where the signal is ignored.
        libc::SIG_DFL | libc::SIG_IGN => by_default(signal, synchronous),
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: it was installed as a handler of this signature.
            let handler = unsafe {
                std::mem::transmute::<
                    usize,
                    extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void),
                >(handler)
            };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: as above.
            let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler) };
            handler(signal);
        }
    }
}

/// Lets the signal kill the process: a fault by faulting again, where it was; another by being sent again.
fn by_default(signal: libc::c_int, synchronous: bool) {
    let default = no_action();
    // SAFETY: `default` is valid for the call. `raise` is async-signal-safe; the signal waits until the handler returns.
    unsafe {
        libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        if !synchronous {
            libc::raise(signal);
        }
    }
}
