//! A resource: pixels that the device has a picture of, with the memory that it reads them from.

use std::sync::atomic::{AtomicU32, Ordering};

use super::backing::Backing;

/// Pixels of a line, and lines, at most.
pub(super) const LONGEST: u32 = 16384;

/// The next resource's id. No two displays of a process have the same, so that one's framebuffer is none of another's.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Bytes of so many pixels, where a device can have them.
pub(super) fn bytes(width: u32, height: u32) -> Option<u32> {
    let sides = 1..=LONGEST;
    let possible = sides.contains(&width) && sides.contains(&height);
    width.checked_mul(height)?.checked_mul(4).filter(|_| possible)
}

/// A resource with its memory.
#[derive(Debug)]
pub(super) struct Resource {
    pub id: u32,
    pub size: (u32, u32),
    pub backing: Backing,
    /// The last flip of it.
    pub fence: Option<u64>,
}

/// An id that no resource had before.
pub(super) fn next_id() -> u32 {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    // 0 is none.
    if id == 0 { NEXT.fetch_add(1, Ordering::Relaxed) } else { id }
}
