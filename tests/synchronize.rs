//! The contract of `synchronize`, statement by statement, on the model backend. Numbers are those of
//! docs/synchronize.md.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use dirql::interrupt::{Event, Handled, Mode};
use dirql::synchronize::{Completion, Protected, Rank, SyncError, signals};
use support::{PATIENCE, blocked_signals, eventually, returns, silent};

fn yes<T>(_: &mut T, _: Event) -> Handled {
    Handled::Yes
}

#[test]
fn r1_the_routine_runs_once_if_ok_and_never_if_not() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, 7_u32, yes).unwrap();
    let caller = std::thread::current().id();
    let mut ran = 0;
    let seen = vector.synchronize(|state| {
        ran += 1;
        assert_eq!(std::thread::current().id(), caller);
        *state
    });
    assert_eq!((seen, ran), (Ok(7), 1));
    vector.disconnect().unwrap();
    assert_eq!(vector.synchronize(|_| ran += 1), Err(SyncError::NotConnected));
    assert_eq!(vector.try_synchronize(|_| ran += 1), Err(SyncError::NotConnected));
    assert_eq!(ran, 1);
}

#[test]
fn r3_the_matrix_of_indices() {
    for (mode, count) in [(Mode::Intx, 1_u16), (Mode::Msi, 4), (Mode::Msix, 5)] {
        let (device, _bus) = silent(|_| ());
        let mut interrupts = device.interrupts(mode).unwrap();
        assert_eq!((interrupts.mode(), interrupts.count()), (Some(mode), count));
        for index in 0..count {
            assert_eq!(interrupts.synchronize(index, || ()), Err(SyncError::NotConnected), "{mode} {index}");
        }
        for index in [count, count + 1, u16::MAX] {
            assert_eq!(interrupts.synchronize(index, || ()), Err(SyncError::InvalidVector), "{mode} {index}");
            let refused = interrupts.connect(index, (), yes).unwrap_err();
            assert_eq!(refused.kind(), dirql::ErrorKind::InvalidArgument);
        }
        let vectors: Vec<_> =
            (0..count).map(|index| interrupts.connect(index, index, yes).unwrap()).collect();
        for (index, vector) in (0..count).zip(&vectors) {
            assert_eq!(interrupts.synchronize(index, || index), Ok(index));
            assert_eq!(vector.synchronize(|state| *state), Ok(index));
            assert_eq!(interrupts.connect(index, (), yes).unwrap_err().kind(), dirql::ErrorKind::Busy);
        }
        drop(vectors);
        assert_eq!(interrupts.synchronize(0, || ()), Err(SyncError::NotConnected));
        // A bad argument is told before a bad state.
        assert_eq!(interrupts.synchronize(count, || ()), Err(SyncError::InvalidVector));
    }
}

/// Two counters without atomics, which are equal whenever nobody is inside.
#[derive(Default)]
struct Pair(u64, u64);

impl Pair {
    fn bump(&mut self) {
        assert_eq!(self.0, self.1, "somebody else is inside");
        self.0 += 1;
        std::hint::black_box(&mut *self);
        self.1 += 1;
    }
}

#[test]
fn r4_r13_exclusion_over_ten_million_sections() {
    const THREADS: u64 = 8;
    const SECTIONS: u64 = 10_000_000;
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let vector = interrupts
        .connect(0, Pair::default(), |pair, _event| {
            pair.bump();
            Handled::Yes
        })
        .unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let vector = &vector;
                scope.spawn(move || {
                    // Half of them as masked threads, half with their signals blocked section by section.
                    let _masked = (thread % 4 != 0).then(signals::mask_thread);
                    for _ in 0..SECTIONS / THREADS {
                        vector.synchronize(Pair::bump).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                bus.message(0);
                std::thread::yield_now();
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    let statistics = vector.statistics();
    assert_eq!(statistics.synchronize.calls, SECTIONS);
    assert!(statistics.calls > 0, "the handler took part");
    let pair = vector.disconnect().unwrap().unwrap();
    assert_eq!((pair.0, pair.1), (SECTIONS + vector.statistics().calls, pair.0));
}

#[test]
fn r6_reentry_is_told_at_once() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let interrupts_seen = Completion::new();
    let raised = interrupts_seen.clone();
    let vector = interrupts.connect(0, (), yes).unwrap();
    assert_eq!(vector.synchronize(|()| vector.synchronize(|()| ())), Ok(Err(SyncError::Reentrant)));
    assert_eq!(vector.synchronize(|()| vector.try_synchronize(|()| ())), Ok(Err(SyncError::Reentrant)));
    assert_eq!(vector.synchronize(|()| interrupts.synchronize(0, || ())), Ok(Err(SyncError::Reentrant)));
    drop(vector);

    // From the handler of the vector itself.
    let slot: Arc<std::sync::OnceLock<dirql::interrupt::Vector<()>>> = Arc::default();
    let own = slot.clone();
    let (sender, receiver) = mpsc::channel();
    let vector = interrupts
        .connect(1, (), move |(), _| {
            if let Some(own) = own.get() {
                sender.send(own.synchronize(|()| ())).unwrap();
            }
            raised.complete();
            Handled::Yes
        })
        .unwrap();
    slot.set(vector).unwrap();
    bus.message(1);
    assert!(interrupts_seen.wait(PATIENCE));
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Err(SyncError::Reentrant)));
    slot.get().unwrap().disconnect().unwrap();
}

#[test]
fn r6_a_signal_handler_in_a_section_is_told_at_once() {
    static LOCK: std::sync::OnceLock<Protected<u32>> = std::sync::OnceLock::new();
    static TOLD: AtomicU32 = AtomicU32::new(0);
    extern "C" fn handler(_: libc::c_int) {
        let told = LOCK.get().map(|lock| lock.try_synchronize(|_| ()));
        let waited = LOCK.get().map(|lock| lock.synchronize(|_| ()));
        if told == Some(Err(SyncError::Reentrant)) && waited == Some(Err(SyncError::Reentrant)) {
            TOLD.fetch_add(1, Ordering::Relaxed);
        }
    }
    let lock = LOCK.get_or_init(|| Protected::new(Rank::next(), 1));
    let action = nix::sys::signal::SigAction::new(
        nix::sys::signal::SigHandler::Handler(handler),
        nix::sys::signal::SaFlags::empty(),
        nix::sys::signal::SigSet::empty(),
    );
    // SIGTRAP is never blocked, so it does arrive inside a section.
    // SAFETY: the handler touches an atomic and a lock that never blocks there.
    unsafe { nix::sys::signal::sigaction(nix::sys::signal::Signal::SIGTRAP, &action) }.unwrap();
    lock.synchronize(|_| nix::sys::signal::raise(nix::sys::signal::Signal::SIGTRAP)).unwrap().unwrap();
    assert_eq!(TOLD.load(Ordering::Relaxed), 1);
}

#[test]
fn r7_other_vectors_are_entered_only_upward() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let low = Arc::new(interrupts.connect(0, 0, yes).unwrap());
    let high = Arc::new(interrupts.connect(2, 0, yes).unwrap());
    assert_eq!(low.synchronize(|_| high.synchronize(|_| ())), Ok(Ok(())));
    assert_eq!(high.synchronize(|_| low.synchronize(|_| ())), Ok(Err(SyncError::LockOrder)));
    // Before blocking: another thread is inside.
    let inside = Arc::new(Barrier::new(2));
    let (holder, there) = (low.clone(), inside.clone());
    let thread = std::thread::spawn(move || {
        holder.synchronize(|_| {
            there.wait();
            there.wait();
        })
    });
    inside.wait();
    let (low_again, high_again) = (low.clone(), high.clone());
    let refused =
        returns("entering downward", move || high_again.synchronize(|_| low_again.synchronize(|_| ())));
    assert_eq!(refused, Ok(Err(SyncError::LockOrder)));
    inside.wait();
    thread.join().unwrap().unwrap();
    // Inside a handler, too.
    let (sender, receiver) = mpsc::channel();
    let (below, above) = (low.clone(), high.clone());
    let middle = interrupts
        .connect(1, (), move |(), _| {
            sender.send((below.synchronize(|_| ()), above.synchronize(|_| ()))).unwrap();
            Handled::Yes
        })
        .unwrap();
    bus.message(1);
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok((Err(SyncError::LockOrder), Ok(()))));
    middle.disconnect().unwrap();
}

#[test]
fn r8_a_try_never_waits() {
    let (device, _bus) = silent(|_| ());
    let vector = Arc::new(device.interrupts(Mode::Msi).unwrap().connect(0, (), yes).unwrap());
    let inside = Arc::new(Barrier::new(2));
    let (holder, there) = (vector.clone(), inside.clone());
    let thread = std::thread::spawn(move || {
        holder.synchronize(|()| {
            there.wait();
            there.wait();
        })
    });
    inside.wait();
    let before = blocked_signals();
    assert_eq!(vector.try_synchronize(|()| ()), Err(SyncError::TimedOut));
    assert_eq!(blocked_signals(), before);
    inside.wait();
    thread.join().unwrap().unwrap();
    assert_eq!(vector.try_synchronize(|()| ()), Ok(()));
}

fn quietly<R>(f: impl FnOnce() -> R) -> std::thread::Result<R> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
}

#[test]
fn r10_a_panic_in_a_routine_poisons_and_goes_on_in_the_caller() {
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .connect(0, 0_u64, |seen, event| {
            *seen += event.count;
            Handled::Yes
        })
        .unwrap();
    let before = blocked_signals();
    let panicked = quietly(|| vector.synchronize(|_| panic!("on purpose")));
    assert!(panicked.is_err());
    assert_eq!(blocked_signals(), before);
    assert!(vector.is_poisoned());
    assert_eq!(vector.synchronize(|_| ()), Err(SyncError::Poisoned));
    // Interrupts that come meanwhile are not lost.
    bus.message(0);
    bus.message(0);
    eventually("two arrive", || vector.statistics().count == 2);
    assert_eq!(vector.statistics().calls, 0);
    vector.clear_poison().unwrap();
    eventually("both are delivered", || vector.synchronize(|seen| *seen) == Ok(2));
    assert_eq!(vector.statistics().count, 2, "each is counted once");
}

#[test]
fn r10_a_panic_in_a_handler_is_caught_and_told_once() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Intx).unwrap();
    let (sender, faults) = mpsc::channel();
    interrupts.on_fault(move |fault| sender.send(fault.to_string()).unwrap());
    let panics = Arc::new(AtomicBool::new(true));
    let (gate, entered) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (told, held, within) = (panics.clone(), gate.clone(), entered.clone());
    let line = bus.clone();
    let vector = Arc::new(
        interrupts
            .connect(0, (), move |(), _| {
                if told.load(Ordering::Relaxed) {
                    within.wait();
                    held.wait();
                    panic!("on purpose");
                }
                line.set_line(false);
                Handled::Yes
            })
            .unwrap(),
    );
    bus.set_line(true);
    entered.wait();
    let waiters: Vec<_> = (0..16)
        .map(|_| {
            let vector = vector.clone();
            std::thread::spawn(move || vector.synchronize(|()| ()))
        })
        .collect();
    gate.wait();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Err(SyncError::Poisoned));
    }
    let told = faults.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, "the handler of vector 0 panicked: on purpose");
    assert!(bus.masked(), "INTx stays masked");
    assert_eq!(bus.unmasks(), 0);
    panics.store(false, Ordering::Relaxed);
    vector.clear_poison().unwrap();
    eventually("the line fires again and is handled", || vector.statistics().calls == 1);
    eventually("and is unmasked", || !bus.masked());
    assert!(faults.try_recv().is_err(), "told once");
    assert_eq!(vector.synchronize(|()| ()), Ok(()));
}

#[test]
fn r14_no_exit_path_leaves_the_mask_changed() {
    let before = blocked_signals();
    let (device, _bus) = silent(|_| ());
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), yes).unwrap();
    assert_eq!(blocked_signals(), before);
    let inside = vector.synchronize(|()| blocked_signals()).unwrap();
    // R15: synchronous faults and abort are never blocked; all else is, save what the kernel and glibc keep.
    for signal in
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT]
    {
        assert_eq!(inside >> (signal - 1) & 1, 0, "signal {signal}");
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGUSR1, libc::SIGRTMAX()] {
        assert_eq!(inside >> (signal - 1) & 1, 1, "signal {signal}");
    }
    assert_eq!(blocked_signals(), before);
    let _ = vector.synchronize(|()| vector.synchronize(|()| ()));
    assert_eq!(blocked_signals(), before);
    {
        let _masked = signals::mask_thread();
        let _nested = signals::mask_thread();
        assert_eq!(blocked_signals(), inside);
        vector.synchronize(|()| ()).unwrap();
        assert_eq!(blocked_signals(), inside);
    }
    assert_eq!(blocked_signals(), before);
    assert!(quietly(|| vector.synchronize(|()| panic!("on purpose"))).is_err());
    assert_eq!(blocked_signals(), before);
    assert_eq!(vector.synchronize(|()| ()), Err(SyncError::Poisoned));
    assert_eq!(blocked_signals(), before);
}

#[test]
fn r16_the_death_of_an_owner_poisons() {
    for with_waiter in [false, true] {
        let lock = Arc::new(Protected::new(Rank::next(), 0_u32));
        let (dying, inside) = (lock.clone(), Arc::new(AtomicU64::new(0)));
        let told = inside.clone();
        std::thread::spawn(move || {
            let _ = dying.synchronize(|_| {
                told.store(1, Ordering::Release);
                while told.load(Ordering::Acquire) == 1 {
                    std::thread::yield_now();
                }
                // The thread ends without running a destructor, as a crash would have it.
                // SAFETY: SYS_exit ends this thread only; what its stack owns is leaked.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
            });
        });
        eventually("the owner is inside", || inside.load(Ordering::Acquire) == 1);
        let waiter = with_waiter.then(|| {
            let lock = lock.clone();
            let thread = std::thread::spawn(move || lock.synchronize(|_| ()));
            std::thread::sleep(Duration::from_millis(50));
            thread
        });
        inside.store(2, Ordering::Release);
        if let Some(waiter) = waiter {
            assert_eq!(waiter.join().unwrap(), Err(SyncError::Poisoned));
        } else {
            std::thread::sleep(Duration::from_millis(50));
        }
        // A try tells it too, with nobody queued.
        assert_eq!(lock.try_synchronize(|_| ()), Err(SyncError::Poisoned));
        let later = lock.clone();
        let told = returns("a later caller", move || later.synchronize(|_| ()));
        assert_eq!(told, Err(SyncError::Poisoned));
        assert!(lock.clear_poison());
        assert_eq!(lock.synchronize(|_| ()), Ok(()));
    }
}

#[test]
fn r30_a_child_is_told_that_it_is_one() {
    let lock = Protected::new(Rank::next(), ());
    // SAFETY: the child touches only an atomic, a thread-local and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let told = lock.synchronize(|_| ());
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if told == Err(SyncError::Forked) { 0 } else { 1 }) };
        }
        child => {
            assert!(child > 0);
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
            assert_eq!(lock.synchronize(|_| ()), Ok(()));
        }
    }
}
