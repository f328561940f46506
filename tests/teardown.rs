//! Ends that are not orderly: panics in odd places, children, old handles, backends that lie.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::{Duration, Instant};

use dirql::backend::Window;
use dirql::backend::model::Act;
use dirql::dma::DmaMask;
use dirql::interrupt::{Event, Handled, Mode, Vector};
use dirql::region::Register;
use dirql::synchronize::SyncError;
use dirql::{Code, Device};
use support::spy::Spy;
use support::{PATIENCE, eventually, returns, silent, silent_backend};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, in a destructor");
    }
}

/// Disconnects, and fails if that took as long as waiting in vain does.
#[track_caller]
fn disconnects<T: Send + 'static>(vector: Arc<Vector<T>>) -> Option<T> {
    let began = Instant::now();
    let state = returns("disconnecting", move || vector.disconnect()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(9), "it waited in vain");
    state
}

#[test]
fn r10_a_fault_hook_that_panics_does_not_end_delivery() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    interrupts.on_fault(|_| panic!("on purpose, in the hook"));
    let vector = interrupts.connect(0, 0, |calls, _| -> dirql::Result<Handled> {
        *calls += 1;
        Err(dirql::Error::new(dirql::ErrorKind::Device, "a test"))
    });
    let vector = Arc::new(vector.unwrap());
    for calls in 1..=3 {
        bus.message(0);
        eventually("the handler runs", || vector.synchronize(|seen| *seen) == Ok(calls));
    }
    assert_eq!(disconnects(vector), Some(3));
}

#[test]
fn r10_what_a_handler_panicked_with_and_what_it_owned_may_panic_too() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    interrupts.on_fault(|_| ());
    let owned = Bomb;
    let vector = interrupts
        .connect(0, "state", move |_, _| -> Handled {
            let _owned = &owned;
            std::panic::panic_any(Bomb)
        })
        .unwrap();
    let vector = Arc::new(vector);
    bus.message(0);
    eventually("it is poisoned", || vector.is_poisoned());
    assert_eq!(disconnects(vector), Some("state"));
}

#[test]
fn r10_the_interrupt_in_whose_handler_the_panic_was_is_delivered_again() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    interrupts.on_fault(|_| ());
    let vector = interrupts
        .connect(0, Vec::new(), |calls, event| {
            calls.push(event.count);
            assert!(calls.len() > 1, "on purpose, the first time");
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    eventually("it is poisoned", || vector.is_poisoned());
    vector.clear_poison().unwrap();
    eventually("it comes again", || vector.synchronize(|calls| calls.len()) == Ok(2));
    assert_eq!(vector.disconnect().unwrap(), Some(vec![1, 1]));
}

#[test]
fn r27_a_disconnect_in_the_fault_hook_does_not_wait_for_itself() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let slot: Arc<OnceLock<Vector<u8>>> = Arc::default();
    let (own, (sender, receiver)) = (slot.clone(), mpsc::channel());
    interrupts.on_fault(move |_| sender.send(own.get().map(Vector::disconnect)).unwrap());
    let vector = interrupts.connect(0, 7, |_, _| -> Handled { panic!("on purpose") }).unwrap();
    slot.set(vector).unwrap();
    bus.message(0);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(9)).unwrap(), Some(Ok(None)));
    let vector = slot.get().unwrap();
    eventually("it is over", || vector.synchronize(|_| ()) == Err(SyncError::NotConnected));
    assert_eq!(vector.disconnect(), Ok(Some(7)), "the state is not lost");
    // The hook holds the vector, which keeps the hook.
    interrupts.on_fault(|_| ());
}

#[test]
fn r27_writing_the_old_eventfd_reaches_nobody() {
    let spy = Spy::on(silent_backend(|_| ()));
    let eventfds = spy.eventfds.clone();
    let device = Device::from_backend(spy).unwrap();
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let connect = |interrupts: &mut dirql::interrupt::Interrupts| {
        let calls = calls.clone();
        interrupts.connect(0, (), move |(), _| {
            calls.fetch_add(1, Ordering::SeqCst);
            Handled::Yes
        })
    };
    let first = connect(&mut interrupts).unwrap();
    eventfds.lock().unwrap()[0].write(1).unwrap();
    eventually("it is the vector's eventfd", || calls.load(Ordering::SeqCst) == 1);
    first.disconnect().unwrap();
    let second = connect(&mut interrupts).unwrap();
    eventfds.lock().unwrap()[0].write(1).unwrap();
    eventfds.lock().unwrap()[1].write(1).unwrap();
    eventually("the new one delivers", || second.statistics().calls == 1);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn r28_an_old_handle_cannot_unmask_the_line_of_the_next_connection() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Intx).unwrap();
    let old = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    old.disconnect().unwrap();
    let new = interrupts.connect(0, (), |(), _| Handled::KeepMasked).unwrap();
    bus.set_line(true);
    eventually("the line is kept masked", || new.statistics().calls == 1 && bus.masked());
    assert!(old.unmask().is_err());
    assert!(bus.masked());
    bus.set_line(false);
    new.unmask().unwrap();
    assert!(!bus.masked());
}

#[test]
fn r27_hooks_that_disconnect_each_others_vectors_wait_only_upward() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vectors: Arc<OnceLock<[Vector<()>; 2]>> = Arc::default();
    let (both, others) = (Barrier::new(2), vectors.clone());
    let (sender, answers) = mpsc::channel();
    interrupts.on_fault(move |fault| {
        both.wait();
        let answer = others.get().unwrap()[1 - usize::from(fault.vector)].disconnect();
        sender.send((fault.vector, answer)).unwrap();
    });
    let fails = |(): &mut (), _: Event<'_>| -> dirql::Result<Handled> {
        Err(dirql::Error::new(dirql::ErrorKind::Device, "a test"))
    };
    vectors.set([0, 1].map(|index| interrupts.connect(index, (), fails).unwrap())).unwrap();
    bus.message(0);
    bus.message(1);
    let mut told = [0; 2].map(|_| answers.recv_timeout(PATIENCE).unwrap());
    told.sort_by_key(|&(vector, _)| vector);
    assert_eq!(told, [(0, Ok(Some(()))), (1, Err(SyncError::LockOrder))]);
}

#[test]
fn r28_the_order_is_interrupts_bus_mastering_reset_memory() {
    let (device, bus) = silent(|config| config.resettable = true);
    device.set_bus_master(true).unwrap();
    let lent = device.dma(DmaMask::FULL).buffer(64).unwrap().lend();
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), |(), _| Handled::Yes).unwrap();
    // Whatever is dropped first.
    drop((device, lent));
    drop(vector);
    let order = [Act::BusMaster(true), Act::Released, Act::BusMaster(false), Act::Reset, Act::Unmapped];
    assert_eq!(bus.acts(), order);
}

#[test]
fn r30_a_child_leaves_the_parents_device_alone() {
    let spy = Spy::on(silent_backend(|config| config.resettable = true));
    let (bus, eventfds) = (spy.model.bus(), spy.eventfds.clone());
    let device = Device::from_backend(spy).unwrap();
    device.set_bus_master(true).unwrap();
    let buffer = device.dma(DmaMask::FULL).buffer(64).unwrap();
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, 0_u32, |calls, _| {
        *calls += 1;
        Handled::Yes
    });
    let vector = vector.unwrap();
    // SAFETY: the child calls into dirql, whose locks nobody else holds now, and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let refused = vector.disconnect() == Err(SyncError::Forked)
                && vector.synchronize(|_| ()) == Err(SyncError::Forked);
            drop((vector, buffer, device));
            let untouched = bus.acts() == [Act::BusMaster(true)];
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if refused && untouched { 0 } else { 1 }) };
        }
        child => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
    }
    assert_eq!(vector.synchronize(|calls| *calls), Ok(0), "the child woke the parent's handler");
    eventfds.lock().unwrap()[0].write(1).unwrap();
    eventually("the parent's goes on", || vector.synchronize(|calls| *calls) == Ok(1));
    drop(buffer);
}

#[test]
fn r30_in_a_child_every_call_says_that_it_is_one() {
    let mut spy = Spy::on(silent_backend(|config| {
        config.resettable = true;
        config.bars[1] = 0x1000;
    }));
    spy.mappable = Some((Window { offset: 0, len: 4096 }, 4096));
    let device = Device::from_backend(spy).unwrap();
    let (mapped, by_call, config) = (device.bar(0).unwrap(), device.bar(1).unwrap(), device.config());
    assert!(mapped.is_mapped() && !by_call.is_mapped());
    let (register, dma) = (Register::<u32>::new(0, "ANY"), device.dma(DmaMask::FULL));
    mapped.write(register, 1).unwrap();
    let buffer = dma.buffer(64).unwrap();
    let interrupts = device.interrupts(Mode::Intx).unwrap();
    let told_so = |result: dirql::Result<()>| {
        result.is_err_and(|error| error.to_string().contains("forked") && error.raw_errno().is_none())
    };
    // SAFETY: the child calls into dirql, whose locks nobody else holds now, and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let calls = [
                told_so(mapped.read(register).map(drop)),
                told_so(mapped.write(register, 2)),
                told_so(mapped.wait_for(register, Duration::from_secs(1), |_| true).map(drop)),
                told_so(by_call.read(register).map(drop)),
                told_so(by_call.write(register, 2)),
                told_so(config.read::<u16>(0).map(drop)),
                told_so(config.write::<u16>(4, 0)),
                told_so(config.ids().map(drop)),
                told_so(config.snapshot().map(drop)),
                told_so(device.bar(0).map(drop)),
                told_so(device.bar(2).map(drop)),
                told_so(device.set_bus_master(false)),
                told_so(dma.buffer(64).map(drop)),
                told_so(dma.ring::<u64, ()>(8).map(drop)),
                told_so(device.reset()),
                told_so(device.backend().map(drop)),
                told_so(interrupts.fire(0)),
            ];
            let untold = calls.iter().position(|&told| !told);
            drop((buffer, mapped, by_call, interrupts, device));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(untold.map_or(0, |index| index as i32 + 1)) };
        }
        child => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
    }
    assert_eq!(mapped.read(register).unwrap(), 1);
    drop(buffer);
}

/// Runs `child` in a child, which has some seconds to say that all is well.
#[track_caller]
fn in_child(child: impl FnOnce() -> bool) {
    // SAFETY: the child calls into dirql, `alarm` and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: kills a child that hangs; and ends it at once.
            unsafe {
                libc::alarm(10);
                let well = child();
                libc::_exit(if well { 0 } else { 1 });
            }
        }
        child => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
    }
}

#[test]
fn r30_a_child_neither_queues_nor_replays_what_is_the_parents() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let vector = interrupts.vector(0, 0_u64).deferred(|_| ()).connect(|sum, event| {
        *sum += event.count;
        Handled::Yes
    });
    let vector = vector.unwrap();
    vector.deactivate().unwrap();
    bus.message(0);
    eventually("it has come", || vector.statistics().count == 1);
    // Its thread has let go of the section, and has kept the interrupt by now or soon; a second one follows it.
    bus.message(0);
    eventually("both are kept", || vector.statistics().count == 2);
    let forked = |answer: dirql::Result<()>| answer.is_err_and(|error| error.to_string().contains("forked"));
    in_child(|| {
        forked(vector.activate())
            && forked(vector.clear_poison())
            && forked(vector.clear_fault())
            && forked(vector.unmask())
            && vector.deactivate() == Err(SyncError::Forked)
            && vector.defer() == Err(SyncError::Forked)
            && interrupts.defer(0) == Err(SyncError::Forked)
            && interrupts.synchronize(0, || ()) == Err(SyncError::Forked)
            && interrupts.synchronize(9, || ()) == Err(SyncError::InvalidVector)
            && interrupts.synchronize_set(&[0], |_| ()) == Err(SyncError::Forked)
            && interrupts.synchronize_all(|_| ()) == Err(SyncError::Forked)
    });
    vector.activate().unwrap();
    eventually("it is replayed", || vector.synchronize(|sum| *sum >= 2) == Ok(true));
    // Whatever a child had written would be there by now, too.
    vector.deactivate().unwrap();
    assert_eq!((vector.synchronize(|sum| *sum), vector.statistics().count), (Ok(2), 2));
}

#[test]
fn r30_a_child_waits_for_no_list_that_another_thread_was_looking_at() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let _vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                interrupts.synchronize(0, || ()).unwrap();
            }
        });
        let children = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..200 {
                in_child(|| {
                    interrupts.synchronize(0, || ()) == Err(SyncError::Forked)
                        && interrupts.synchronize_all(|_| ()) == Err(SyncError::Forked)
                        && interrupts.statistics().is_empty()
                });
            }
        }));
        over.store(true, Ordering::Relaxed);
        children.unwrap();
    });
}

#[test]
fn r30_a_child_is_noticed_without_a_lock() {
    // In a process of its own, where nobody has made a lock yet.
    const CHILD: &str = "DIRQL_TEST_FORK";
    if std::env::var_os(CHILD).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "r30_a_child_is_noticed_without_a_lock", "--nocapture"]).env(CHILD, "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (device, _bus) = silent(|_| ());
    // SAFETY: the child calls into dirql, whose locks nobody else holds now, and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let told = device.backend().is_err();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if told { 0 } else { 1 }) };
        }
        child => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
    }
}

#[test]
fn a_mapping_that_does_not_hold_its_window_is_refused() {
    for (window, len) in [(Window { offset: 0, len: 1 << 30 }, 4096), (Window { offset: 4, len: 4096 }, 4096)]
    {
        let mut spy = Spy::on(silent_backend(|_| ()));
        spy.mappable = Some((window, len));
        let device = Device::from_backend(spy).unwrap();
        assert_eq!(device.bar(0).unwrap_err().catalogue_code(), Some(Code::E12));
    }
    let mut spy = Spy::on(silent_backend(|_| ()));
    spy.mappable = Some((Window { offset: 4096, len: 4096 }, 4096));
    let bar = Device::from_backend(spy).unwrap().bar(0).unwrap();
    let (mapped, last) = (Register::<u32>::new(4096, "FIRST"), Register::<u32>::new(8188, "LAST"));
    bar.write(mapped, 0xfeed_f00d).unwrap();
    bar.write(last, 1).unwrap();
    assert_eq!((bar.read(mapped).unwrap(), bar.read(last).unwrap(), bar.len()), (0xfeed_f00d, 1, 8192));
    assert!(!bar.is_mapped(), "its first half is reached by calls");
    let low: Result<u32, _> = bar.read(Register::new(0, "BY_CALL"));
    assert_eq!(low.unwrap(), 0);
    for beyond in [8189, 8190, 8192, u64::MAX - 3] {
        assert!(bar.read(Register::<u32>::new(beyond, "BEYOND")).is_err());
    }
}

#[test]
fn a_timeout_beyond_the_clock_is_no_panic() {
    let (device, _bus) = silent(|_| ());
    let bar = device.bar(0).unwrap();
    let zero = Register::<u32>::new(0, "ZERO");
    assert_eq!(bar.wait_for(zero, Duration::MAX, |value| value == 0).unwrap(), 0);
    let late = bar.wait_for(zero, Duration::from_millis(5), |value| value != 0).unwrap_err();
    assert!(late.to_string().contains("ZERO (0x0000)") && late.to_string().contains("0x0"), "{late}");
    let _ = PATIENCE;
}
