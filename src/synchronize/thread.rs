//! What each thread knows of itself: its id, the highest lock it holds, and whether its signals are blocked anyway.

use std::cell::Cell;

use super::lock::Rank;

struct ThreadState {
    id: Cell<u32>,
    held: Cell<Rank>,
    masked: Cell<bool>,
}

thread_local! {
    static STATE: ThreadState =
        const { ThreadState { id: Cell::new(0), held: Cell::new(Rank::NONE), masked: Cell::new(false) } };
}

/// The kernel's id of this thread: what a priority-inheritance futex holds. Asked for once a thread.
#[inline]
pub fn id() -> u32 {
    STATE.with(|state| match state.id.get() {
        0 => {
            let id = nix::unistd::gettid().as_raw().cast_unsigned();
            state.id.set(id);
            id
        }
        id => id,
    })
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

/// Whether this thread is in a section or handler.
pub fn holds_any() -> bool {
    held() != Rank::NONE
}

/// Whether every maskable signal is blocked on this thread for as long as it says so.
#[inline]
pub fn masked() -> bool {
    STATE.with(|state| state.masked.get())
}

pub fn set_masked(masked: bool) {
    STATE.with(|state| state.masked.set(masked));
}

/// In a child of `fork`: the thread that goes on has another id, and holds nothing.
pub fn forget() {
    STATE.with(|state| {
        state.id.set(0);
        state.held.set(Rank::NONE);
    });
}
