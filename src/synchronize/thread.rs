//! What each thread knows of itself: its id, the highest lock it holds, and whether its signals are blocked anyway.

use std::cell::Cell;

use super::rank::Rank;

struct ThreadState {
    id: Cell<u32>,
    held: Cell<Rank>,
    mask_depth: Cell<u32>,
    saved_mask: Cell<u64>,
}

thread_local! {
    static STATE: ThreadState =
        const {
            let (id, held) = (Cell::new(0), Cell::new(Rank::NONE));
            ThreadState { id, held, mask_depth: Cell::new(0), saved_mask: Cell::new(0) }
        };
}

/// The kernel's id of this thread: what a priority-inheritance futex holds. Asked for once a thread.
#[inline]
pub fn id() -> u32 {
    match STATE.with(|state| state.id.get()) {
        0 => ask_for_id(),
        id => id,
    }
}

#[cold]
#[inline(never)]
fn ask_for_id() -> u32 {
    let id = nix::unistd::gettid().as_raw().cast_unsigned();
    STATE.with(|state| state.id.set(id));
    id
}

/// The rank of the lock that this thread entered last, which is the highest that it holds.
#[inline]
pub fn held() -> Rank {
    STATE.with(|state| state.held.get())
}

#[inline]
pub fn set_held(rank: Rank) {
    STATE.with(|state| state.held.set(rank));
}

/// Whether every maskable signal is blocked on this thread for as long as it says so.
#[inline]
pub fn masked() -> bool {
    STATE.with(|state| state.mask_depth.get() > 0)
}

/// How many guards and sections want it so.
#[inline]
pub fn mask_depth() -> u32 {
    STATE.with(|state| state.mask_depth.get())
}

#[inline]
pub fn set_mask_depth(depth: u32) {
    STATE.with(|state| state.mask_depth.set(depth));
}

/// The signals that were blocked before the thread was masked.
#[inline]
pub fn saved_mask() -> u64 {
    STATE.with(|state| state.saved_mask.get())
}

#[inline]
pub fn set_saved_mask(mask: u64) {
    STATE.with(|state| state.saved_mask.set(mask));
}

/// In a child of `fork`: the thread that goes on has another id, and holds nothing.
pub fn forget() {
    STATE.with(|state| {
        state.id.set(0);
        state.held.set(Rank::NONE);
    });
}
