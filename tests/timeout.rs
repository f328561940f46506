//! R8: waiting for a section no longer than told. Nothing is asserted of how long a wait took: only of its end.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dirql::synchronize::{Protected, Rank, SyncError, signals};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use support::{PATIENCE, blocked_signals, eventually, returns};

const SOON: Duration = Duration::from_millis(30);

/// Runs `meanwhile` while another thread is in the section of `lock`, which it leaves once that has returned.
fn while_taken<R>(lock: &Protected<u64>, meanwhile: impl FnOnce() -> R) -> R {
    let (inside, entered) = mpsc::channel();
    let (leave, told) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            lock.synchronize(|_| {
                inside.send(()).unwrap();
                // Told by what is dropped, so that a panic in `meanwhile` ends this thread too.
                told.recv_timeout(PATIENCE).unwrap_err()
            })
        });
        entered.recv_timeout(PATIENCE).unwrap();
        let _leave = leave;
        meanwhile()
    })
}

#[test]
fn r8_a_wait_ends_at_its_time_and_the_routine_has_not_run() {
    let lock = Protected::new(Rank::next(), 0);
    let before = blocked_signals();
    while_taken(&lock, || {
        // Over at once, while it spins, and in the kernel.
        for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(2), SOON] {
            let told = lock.synchronize_timeout(timeout, |_| unreachable!("the section is taken"));
            assert_eq!(told, Err::<(), _>(SyncError::TimedOut), "{timeout:?}");
            assert_eq!(blocked_signals(), before);
        }
        let _masked = signals::mask_thread();
        assert_eq!(lock.synchronize_timeout(SOON, |_| ()), Err(SyncError::TimedOut));
    });
    assert_eq!(blocked_signals(), before);
    assert_eq!(lock.synchronize(|n| *n), Ok(0), "nothing is left behind");
}

#[test]
fn r8_a_free_section_is_entered_whatever_the_time() {
    let lock = Protected::new(Rank::next(), 0);
    for timeout in [Duration::ZERO, SOON, Duration::from_secs(u32::MAX.into()), Duration::MAX] {
        lock.synchronize_timeout(timeout, |n| *n += 1).unwrap();
    }
    assert_eq!(lock.synchronize(|n| *n), Ok(4));
}

#[test]
fn r8_a_section_that_is_left_in_time_is_entered() {
    let lock = Arc::new(Protected::new(Rank::next(), 0));
    // `Duration::MAX` is beyond what the clock can tell.
    for timeout in [PATIENCE, Duration::from_secs(1 << 40), Duration::MAX] {
        let waiter = while_taken(&lock, || {
            let lock = lock.clone();
            let waiter = std::thread::spawn(move || lock.synchronize_timeout(timeout, |n| *n += 1));
            std::thread::sleep(SOON);
            assert!(!waiter.is_finished(), "the section is taken");
            waiter
        });
        assert_eq!(returns("a waiter", move || waiter.join().unwrap()), Ok(()));
    }
    assert_eq!(lock.synchronize(|n| *n), Ok(3));
}

#[test]
fn r8_refusals_come_before_the_wait() {
    let (low, high) = (Protected::new(Rank::next(), 0), Protected::new(Rank::next(), 0));
    let told = low.synchronize(|_| low.synchronize_timeout(PATIENCE, |_| ()));
    assert_eq!(told, Ok(Err(SyncError::Reentrant)));
    let told = high.synchronize(|_| low.synchronize_timeout(PATIENCE, |_| ()));
    assert_eq!(told, Ok(Err(SyncError::LockOrder)));
}

#[test]
fn r8_r16_the_death_of_an_owner_is_told_whatever_the_time() {
    for timeout in [Duration::ZERO, Duration::from_nanos(1), SOON, PATIENCE] {
        let lock = Arc::new(Protected::new(Rank::next(), 0));
        let (dying, ended) = (lock.clone(), Arc::new(AtomicU64::new(0)));
        let tid = ended.clone();
        std::thread::spawn(move || {
            let _ = dying.synchronize(|_| {
                tid.store(nix::unistd::gettid().as_raw().try_into().unwrap(), Ordering::Release);
                // SAFETY: SYS_exit ends this thread only; what its stack owns is leaked.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
            });
        });
        let is_gone = |tid: u64| !std::path::Path::new(&format!("/proc/self/task/{tid}")).exists();
        eventually("the owner is dead", || match ended.load(Ordering::Acquire) {
            0 => false,
            tid => is_gone(tid),
        });
        assert_eq!(lock.synchronize_timeout(timeout, |_| ()), Err(SyncError::Poisoned), "{timeout:?}");
    }
}

/// Who gives up waiting leaves its mark in the word, which then says that somebody is queued when nobody is.
#[test]
fn r8_r16_a_dead_owner_is_told_where_a_waiter_had_given_up() {
    let lock = Arc::new(Protected::new(Rank::next(), 0));
    let (dying, (tid, told)) = (lock.clone(), mpsc::channel());
    let (die, may_die) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _ = dying.synchronize(|_| {
            tid.send(nix::unistd::gettid()).unwrap();
            may_die.recv_timeout(PATIENCE).unwrap();
            // SAFETY: SYS_exit ends this thread only; what its stack owns is leaked.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
    });
    let task = format!("/proc/self/task/{}", told.recv_timeout(PATIENCE).unwrap());
    assert_eq!(lock.synchronize_timeout(SOON, |_| ()), Err(SyncError::TimedOut));
    assert_eq!(lock.try_synchronize(|_| ()), Err(SyncError::TimedOut));
    die.send(()).unwrap();
    eventually("the owner is dead", || !std::path::Path::new(&task).exists());
    assert_eq!(lock.try_synchronize(|_| ()), Err(SyncError::Poisoned));
    assert!(lock.clear_poison());
    assert_eq!(lock.synchronize(|_| ()), Ok(()));
}

/// Handovers and ends of waits meet in the kernel: whoever is told `TimedOut` has not been handed the lock.
#[test]
fn r8_waits_that_end_while_the_section_is_handed_over_lose_nothing() {
    const THREADS: u64 = 4;
    const SECTIONS: u64 = 20_000;
    let lock = Arc::new(Protected::new(Rank::next(), (0_u64, 0_u64)));
    let (done, late) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (lock, done, late) = (lock.clone(), done.clone(), late.clone());
            std::thread::spawn(move || {
                let _masked = (thread % 2 == 0).then(signals::mask_thread);
                for section in 0..SECTIONS {
                    let timeout = Duration::from_micros((section * 7 + thread) % 120);
                    let told = lock.synchronize_timeout(timeout, |pair| {
                        assert_eq!(pair.0, pair.1, "somebody else is inside");
                        pair.0 += 1;
                        if section % 16 == 0 {
                            std::thread::sleep(Duration::from_micros(20));
                        }
                        std::hint::black_box(&mut *pair);
                        pair.1 += 1;
                    });
                    match told {
                        Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, SyncError::TimedOut);
                            late.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    returns("threads with short patience", move || {
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let (done, late) = (done.load(Ordering::Relaxed), late.load(Ordering::Relaxed));
    assert_eq!(done + late, THREADS * SECTIONS);
    assert!(late > 0, "no wait ended: nothing was tried");
    assert_eq!(lock.synchronize(|pair| *pair), Ok((done, done)));
}

/// A section blocks signals while it waits, but some are never blocked: they come, and the wait goes on.
#[test]
fn r8_a_storm_of_signals_neither_ends_a_wait_nor_keeps_it() {
    static CAME: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_: libc::c_int) {
        CAME.fetch_add(1, Ordering::Relaxed);
    }
    // Without SA_RESTART: what can be interrupted is.
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler touches an atomic only.
    unsafe { sigaction(Signal::SIGSYS, &action) }.unwrap();
    let lock = Protected::new(Rank::next(), 0);
    // Waits on a thread of its own until told enough, under fire.
    let waits = |timeout: Option<Duration>, release: bool| {
        let before = CAME.load(Ordering::Relaxed);
        let (over, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        let (tid, told_tid) = mpsc::channel();
        std::thread::scope(|scope| {
            let (lock, over, answered) = (&lock, &over, &answered);
            let waiter = while_taken(lock, || {
                let waiter = scope.spawn(move || {
                    tid.send(nix::unistd::gettid().as_raw()).unwrap();
                    let told = match timeout {
                        Some(timeout) => lock.synchronize_timeout(timeout, |n| *n += 1),
                        None => lock.synchronize(|n| *n += 1),
                    };
                    answered.store(true, Ordering::Release);
                    // Alive for as long as it is fired at.
                    eventually("the storm is over", || over.load(Ordering::Acquire));
                    told
                });
                let tid_of_waiter = told_tid.recv_timeout(PATIENCE).unwrap();
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        // SAFETY: the signal has a handler, and the thread lives until the storm is over.
                        let told = unsafe {
                            libc::syscall(libc::SYS_tgkill, libc::getpid(), tid_of_waiter, libc::SIGSYS)
                        };
                        assert_eq!(told, 0);
                        std::thread::sleep(Duration::from_micros(50));
                    }
                });
                eventually("the storm came", || CAME.load(Ordering::Relaxed) > before + 200);
                if release {
                    assert!(!answered.load(Ordering::Acquire), "a signal ended the wait");
                } else {
                    eventually("the wait ends", || answered.load(Ordering::Acquire));
                }
                waiter
            });
            eventually("the wait ends", || answered.load(Ordering::Acquire));
            over.store(true, Ordering::Release);
            waiter.join().unwrap()
        })
    };
    assert_eq!(waits(None, true), Ok(()));
    assert_eq!(waits(Some(PATIENCE * 10), true), Ok(()));
    assert_eq!(waits(Some(SOON), false), Err(SyncError::TimedOut));
    assert_eq!(lock.synchronize(|n| *n), Ok(2));
}
