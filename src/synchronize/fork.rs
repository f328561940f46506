//! Noticing a `fork`: locks, eventfds and DMA memory belong to the parent.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::thread;

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that first asked.
#[inline]
pub fn count() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// From now on, forks are counted.
pub fn watch() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        thread::forget();
    }
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: `in_child` only touches an atomic and thread-locals without destructors, which is safe after fork.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if refused != 0 {
            log::warn!("forks go unnoticed: {}", nix::errno::Errno::from_raw(refused));
        }
    });
}
