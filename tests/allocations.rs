//! What a section takes from the heap: nothing. The allocator counts, thread by thread.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dirql::interrupt::{Handled, Mode};
use dirql::synchronize::{Protected, Rank, SyncError, signals, synchronize_set};
use support::{PATIENCE, silent};

struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator, as it came; the count is a thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        // SAFETY: what the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` took memory from the heap.
fn taken(f: impl FnOnce()) -> u64 {
    let before = TAKEN.get();
    f();
    TAKEN.get() - before
}

#[test]
fn r14_a_section_takes_nothing_from_the_heap() {
    assert_eq!(taken(|| drop(std::hint::black_box(Box::new(1)))), 1, "the allocator does not count");
    let (device, _bus) = silent(|_| ());
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, 0_u64, |_, _| Handled::Yes).unwrap();
    let (low, high) = (Protected::new(Rank::next(), 0_u64), Protected::new(Rank::next(), 0_u64));
    let add = |n: &mut u64| *n += 1;
    let all = || {
        for _ in 0..1000 {
            low.synchronize(add).unwrap();
            low.try_synchronize(add).unwrap();
            low.synchronize_timeout(PATIENCE, add).unwrap();
            assert_eq!(low.synchronize(|_| low.synchronize(add)), Ok(Err(SyncError::Reentrant)));
            // A set whose members are in order and free.
            synchronize_set(&[low.member(), high.member()], |held| held.state(&high).map(add)).unwrap();
            vector.synchronize(add).unwrap();
            vector.try_synchronize(add).unwrap();
        }
    };
    assert_eq!(taken(all), 0);
    let _masked = signals::mask_thread();
    assert_eq!(taken(all), 0);
}
