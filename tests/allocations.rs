//! What a section takes from the heap, and what counting takes: nothing. The allocator counts, thread by thread.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dirql::class::Meter;
use dirql::class::net::QueueCounters;
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

#[test]
fn what_a_queue_counts_takes_nothing_from_the_heap_while_others_read() {
    let mut meter = Meter::<QueueCounters>::default();
    let reader = meter.reader();
    let bursts = 100_000;
    std::thread::scope(|scope| {
        let looks = scope.spawn(move || {
            let mut last = 0;
            while last < bursts {
                let seen = reader.read().receive_frames;
                assert!(seen >= last, "{seen} after {last}");
                last = seen;
            }
        });
        let count = || (1..=bursts).for_each(|n| meter.set(&counted(n)));
        assert_eq!(taken(count), 0);
        looks.join().unwrap();
    });
    assert_eq!(meter.reader().read(), counted(bursts));
}

/// After so many frames, one a burst.
fn counted(n: u64) -> QueueCounters {
    QueueCounters {
        receive_frames: n,
        receive_bytes: 60 * n,
        receive_dropped: n + 1,
        receive_doorbells: n + 2,
        transmit_frames: n + 3,
        transmit_bytes: n + 4,
        transmit_doorbells: n + 5,
    }
}
