//! R14: a section on a masked thread makes no system call; nor does what is counted of a queue. The kernel is the observer: by a seccomp filter a thread may
//! exit, and anything else kills it.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use dirql::class::Meter;
use dirql::class::net::QueueCounters;
use dirql::interrupt::{Handled, Mode, Vector};
use dirql::synchronize::{Protected, Rank, SyncError, signals, synchronize_set};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use support::{PATIENCE, eventually, silent};

const SECTIONS: u64 = 100_000;

/// From here on, any system call but exit kills this thread; false where the kernel cannot do that. Strict mode would not
/// do: it takes the time stamp counter away as well, by which a section is timed without a system call.
fn forbid_system_calls() -> bool {
    let statement = |code: u32, jt, k| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let mut program = [
        // The number of the system call is the first word of `struct seccomp_data`.
        statement(load, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_exit as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_KILL_THREAD),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program and its description live across the calls, and the kernel keeps copies.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) == 0
    }
}

/// Ends this thread, and only it, without running anything.
fn exit(status: i32) -> ! {
    loop {
        // SAFETY: SYS_exit ends the thread; what its stack owns is leaked.
        unsafe { libc::syscall(libc::SYS_exit, status) };
    }
}

/// Every way in, in a child of one thread, which ends with 0 if all went well; it is a fork, so it allocates nothing.
fn child(masked: bool) -> WaitStatus {
    // SAFETY: the child touches only atomics, thread-locals, its own stack, and the system calls that are tried here.
    match unsafe { libc::fork() } {
        0 => {
            let (low, high) = (Protected::new(Rank::next(), 0_u64), Protected::new(Rank::next(), 0_u64));
            let all = |rounds: u64| {
                for _ in 0..rounds {
                    let add = |n: &mut u64| *n += 1;
                    let ok = low.synchronize(add).is_ok()
                        && low.try_synchronize(add).is_ok()
                        && low.synchronize_timeout(PATIENCE, add).is_ok()
                        && low.synchronize(|_| low.synchronize(add)) == Ok(Err(SyncError::Reentrant))
                        && high.synchronize(|_| low.synchronize(add)) == Ok(Err(SyncError::LockOrder))
                        && synchronize_set(&[low.member(), high.member()], |held| {
                            held.state(&low).map(add).is_some() && held.state(&high).map(add).is_some()
                        }) == Ok(true);
                    if !ok {
                        exit(2);
                    }
                }
            };
            let _masked = masked.then(signals::mask_thread);
            // The thread asks for its id once.
            all(1);
            if !forbid_system_calls() {
                exit(3);
            }
            all(SECTIONS);
            exit(0)
        }
        child => {
            assert!(child > 0);
            waitpid(Pid::from_raw(child), None).unwrap()
        }
    }
}

#[test]
fn r14_a_section_on_a_masked_thread_makes_no_system_call() {
    let masked = child(true);
    assert!(matches!(masked, WaitStatus::Exited(_, 0)), "{masked:?}");
    // On another thread it does, which shows that the filter bites.
    let unmasked = child(false);
    assert!(matches!(unmasked, WaitStatus::Signaled(_, Signal::SIGSYS, _)), "{unmasked:?}");
}

/// Whether a thread of this process that may make no system call gets through its sections of a vector. It ends for
/// good either way.
fn thread(vector: &'static Vector<u64>, masked: bool) -> bool {
    let done: &'static AtomicBool = Box::leak(Box::default());
    let (tid, told) = mpsc::channel();
    // Not joined: it does not return.
    std::thread::spawn(move || {
        tid.send(nix::unistd::gettid()).unwrap();
        let _masked = masked.then(signals::mask_thread);
        vector.synchronize(|n| *n += 1).unwrap();
        if !forbid_system_calls() {
            exit(3);
        }
        let all = (0..SECTIONS).all(|_| vector.synchronize(|n| *n += 1).is_ok());
        done.store(all, Ordering::Release);
        exit(0)
    });
    let task = format!("/proc/self/task/{}", told.recv_timeout(PATIENCE).unwrap());
    eventually("the thread has ended", || !std::path::Path::new(&task).exists());
    done.load(Ordering::Acquire)
}

#[test]
fn r14_nor_does_a_section_of_a_vector() {
    let (device, _bus) = silent(|_| ());
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, 0_u64, |_, _| Handled::Yes).unwrap();
    let vector: &'static Vector<u64> = Box::leak(Box::new(vector));
    assert!(thread(vector, true));
    assert_eq!(vector.synchronize(|n| *n), Ok(SECTIONS + 1));
    assert!(!thread(vector, false), "the filter does not bite");
}

/// Whether a thread of this process that may make no system call gets through so many bursts' ends, with one more thing
/// to do after each. It ends for good either way.
fn bursts(mut meter: Meter<QueueCounters>, then: fn()) -> bool {
    let done: &'static AtomicBool = Box::leak(Box::default());
    let (tid, told) = mpsc::channel();
    // Not joined: it does not return.
    std::thread::spawn(move || {
        tid.send(nix::unistd::gettid()).unwrap();
        if !forbid_system_calls() {
            exit(3);
        }
        for frames in 1..=SECTIONS {
            meter.set(&QueueCounters { transmit_frames: frames, ..QueueCounters::default() });
            then();
        }
        done.store(true, Ordering::Release);
        exit(0)
    });
    let task = format!("/proc/self/task/{}", told.recv_timeout(PATIENCE).unwrap());
    eventually("the thread has ended", || !std::path::Path::new(&task).exists());
    done.load(Ordering::Acquire)
}

#[test]
fn what_a_queue_counts_is_shown_without_a_system_call() {
    let meter = Meter::default();
    let reader = meter.reader();
    assert!(bursts(meter, || ()));
    assert_eq!(reader.read().transmit_frames, SECTIONS);
    assert!(!bursts(Meter::default(), std::thread::yield_now), "the filter does not bite");
}
