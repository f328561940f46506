//! A vector connected and disconnected again and again under fire. Alone in its process, so that what is counted of it
//! is this test's.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use dirql::interrupt::{Handled, Mode};
use support::{eventually, silent};

const CYCLES: u32 = 100_000;
/// Cycles after which everything that is made once has been made.
const WARM: u32 = 1_000;

/// How many cycles: fewer, by `DIRQL_TEST_SCALE`, where a build is made for something else than speed.
fn cycles() -> u32 {
    let scale = std::env::var("DIRQL_TEST_SCALE").map_or(1, |words| words.parse().unwrap());
    (CYCLES / scale).max(2 * WARM)
}

/// Threads, descriptors, and kilobytes in memory.
fn in_use() -> (usize, usize, u64) {
    let count = |of: &str| std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (count("task"), count("fd"), resident.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn r27_a_hundred_thousand_cycles_under_fire_leave_nothing_behind() {
    let cycles = cycles();
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let (over, mut handled, mut warm) = (AtomicBool::new(false), 0, (0, 0, 0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                bus.message(2);
                std::thread::yield_now();
            }
        });
        for cycle in 0..cycles {
            let vector = interrupts
                .vector(2, 0_u64)
                .deferred(|call| call.synchronize(|calls| *calls += 1).unwrap())
                .connect(|calls, event| {
                    *calls += 1;
                    event.defer();
                    Handled::Yes
                })
                .unwrap();
            if cycle % 64 == 0 {
                eventually("an interrupt", || vector.statistics().calls > 0);
            }
            handled += vector.disconnect().unwrap().unwrap();
            drop(vector);
            if cycle == WARM {
                warm = in_use();
            }
        }
        let cold = in_use();
        over.store(true, Ordering::Relaxed);
        println!("{cycles} cycles, {handled} calls: {warm:?} then {cold:?}");
        assert_eq!((cold.0, cold.1), (warm.0, warm.1), "threads and descriptors");
        // A leak of a hundred bytes a cycle would be ten megabytes.
        assert!(cold.2 < warm.2 + 8 * 1024, "{} kB, {} kB after {WARM} cycles", cold.2, warm.2);
    });
    assert!(handled > u64::from(cycles / 64));
}
