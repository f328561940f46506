//! Delivery and teardown, statement by statement, on the model backend. Numbers are those of docs/synchronize.md.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::time::Duration;

use dirql::backend::{IrqIndex, RegionIndex};
use dirql::interrupt::{Best, Event, Handled, Mode, Request, Vector};
use dirql::synchronize::{Completion, SyncError};
use dirql::{Code, Device, ErrorKind};
use support::{PATIENCE, blocked_signals, eventually, returns, silent};

#[test]
fn r11_handlers_of_different_vectors_overlap() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    // Each handler waits for the other: only handlers that overlap come through.
    let both = Arc::new(Barrier::new(2));
    let done = Completion::new();
    let vectors: Vec<_> = (0..2)
        .map(|index| {
            let (both, done) = (both.clone(), done.clone());
            let handler = move |(): &mut (), _: Event<'_>| {
                both.wait();
                done.complete();
                Handled::Yes
            };
            interrupts.connect(index, (), handler).unwrap()
        })
        .collect();
    (0..2).for_each(|vector| bus.message(vector));
    assert!(done.wait(PATIENCE) && done.wait(PATIENCE));
    drop(vectors);
}

#[test]
fn r14_r17_a_vector_has_a_named_thread_that_no_signal_reaches() {
    let (device, bus) = silent(|_| ());
    let (sender, receiver) = mpsc::channel();
    let vector = device.interrupts(Mode::Msix).unwrap().connect(3, (), move |(), _| {
        let name = std::thread::current().name().map(str::to_owned);
        let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
        sender.send((name, comm, blocked_signals())).unwrap();
        Handled::Yes
    });
    bus.message(3);
    let (name, comm, blocked) = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(name.as_deref(), Some("dirql/00:1f.0/3"));
    assert_eq!(comm.trim_end(), "dirql/00:1f.0/3");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGCHLD, libc::SIGRTMAX()] {
        assert_eq!((blocked >> (signal - 1)) & 1, 1, "signal {signal}");
    }
    drop(vector);
}

#[test]
fn r18_no_interrupt_is_lost_from_four_writers() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 20_000;
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .connect(1, 0_u64, |sum, event| {
            *sum += event.count;
            Handled::Yes
        })
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| (0..EACH).for_each(|_| bus.message(1)));
        }
    });
    eventually("all are delivered", || vector.synchronize(|sum| *sum) == Ok(WRITERS * EACH));
    let statistics = vector.statistics();
    assert_eq!(statistics.count, WRITERS * EACH);
    assert!(statistics.calls <= statistics.count);
    // R22: eventfds were attached once to enable the mode and once to connect, and never to go on.
    assert_eq!(bus.triggers(), 2);
}

#[test]
fn r18_interrupts_during_a_section_arrive_as_one_call() {
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .connect(0, Vec::new(), |calls, event| {
            calls.push(event.count);
            Handled::Yes
        })
        .unwrap();
    vector
        .synchronize(|calls| {
            bus.message(0);
            eventually("the thread has read its eventfd", || vector.statistics().count == 1);
            (0..5).for_each(|_| bus.message(0));
            assert!(calls.is_empty(), "the handler runs inside the section");
        })
        .unwrap();
    eventually("both calls", || vector.synchronize(|calls| calls.len()) == Ok(2));
    assert_eq!(vector.disconnect().unwrap(), Some(vec![1, 5]));
}

#[test]
fn r19_an_interrupt_may_come_before_connect_returns() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Intx).unwrap();
    bus.set_line(true);
    let line = bus.clone();
    let vector = interrupts
        .connect(0, 0, move |calls, _| {
            line.set_line(false);
            *calls += 1;
            Handled::Yes
        })
        .unwrap();
    eventually("the early interrupt is handled", || vector.synchronize(|calls| *calls) == Ok(1));
}

#[test]
fn r20_the_line_is_unmasked_once_after_each_call() {
    let (device, bus) = silent(|_| ());
    let line = bus.clone();
    // The line stays asserted until the third call: it fires again each time it is unmasked.
    let vector = device
        .interrupts(Mode::Intx)
        .unwrap()
        .connect(0, 0_u64, move |calls, _| {
            assert!(line.masked(), "the kernel masks the line while the handler runs");
            *calls += 1;
            if *calls >= 3 {
                line.set_line(false);
            }
            Handled::Yes
        })
        .unwrap();
    bus.set_line(true);
    eventually("three calls, three unmasks", || bus.unmasks() == 3 && !bus.masked());
    assert_eq!(vector.statistics().calls, 3);
    assert_eq!(bus.unmasks(), 3);
}

#[test]
fn r20_a_handler_may_keep_the_line_masked() {
    let (device, bus) = silent(|_| ());
    let vector = device.interrupts(Mode::Intx).unwrap().connect(0, 0, |calls, _| {
        *calls += 1;
        if *calls == 1 { Handled::KeepMasked } else { Handled::No }
    });
    let vector = vector.unwrap();
    bus.set_line(true);
    eventually("the first call", || vector.statistics().calls == 1);
    assert!(bus.masked() && bus.unmasks() == 0);
    bus.set_line(false);
    vector.unmask().unwrap();
    bus.set_line(true);
    eventually("the second call", || vector.statistics().spurious >= 1);
    bus.set_line(false);
}

#[test]
fn a_handler_that_fails_leaves_the_line_masked_and_is_told() {
    let (device, bus) = silent(|_| ());
    let bar = device.bar(0).unwrap();
    let mut interrupts = device.interrupts(Mode::Intx).unwrap();
    let (sender, faults) = mpsc::channel();
    interrupts.on_fault(move |fault| sender.send(fault.to_string()).unwrap());
    let beyond = dirql::region::Register::<u32>::new(0x1000, "BEYOND");
    let vector = interrupts
        .connect(0, (), move |(), _| -> dirql::Result<Handled> { bar.read(beyond).map(|_| Handled::Yes) })
        .unwrap();
    bus.set_line(true);
    let told = faults.recv_timeout(PATIENCE).unwrap();
    assert!(told.contains("vector 0") && told.contains("BEYOND (0x1000)"), "{told}");
    assert!(bus.masked());
    assert!(!vector.is_poisoned());
}

#[test]
fn r23_too_few_vectors_are_told_and_none_is_kept() {
    let (device, bus) = silent(|config| config.vectors_available = 2);
    let error = device.interrupts(Mode::Msix).unwrap_err();
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E11)));
    assert!(error.to_string().contains("the machine has 2 to give; none was enabled"), "{error}");
    assert!(!bus.messages_enabled());
    // Asking for no more than there are, and asking for the best, both work.
    assert_eq!(device.interrupts(Request::from(Mode::Msix).at_most(2)).unwrap().count(), 2);
    let best = device.interrupts(Best).unwrap();
    assert_eq!((best.mode(), best.count()), (Some(Mode::Msix), 2));
    drop(best);
    let (device, _bus) = silent(|config| config.vectors_available = 0);
    assert_eq!(device.interrupts(Best).unwrap().mode(), Some(Mode::Intx));
}

#[test]
fn r23_a_dynamic_set_grows_vector_by_vector_and_a_fixed_one_is_enabled_whole() {
    for dynamic in [false, true] {
        let (device, bus) = silent(|config| config.dynamic_msix = dynamic);
        let mut interrupts = device.interrupts(Mode::Msix).unwrap();
        assert_eq!(bus.messages_enabled(), !dynamic);
        let seen = Completion::new();
        let vectors: Vec<Vector<()>> = [1, 4, 0]
            .into_iter()
            .map(|index| {
                let seen = seen.clone();
                interrupts
                    .connect(index, (), move |(), _| {
                        seen.complete();
                        Handled::Yes
                    })
                    .unwrap()
            })
            .collect();
        for vector in [0, 1, 4] {
            bus.message(vector);
            assert!(seen.wait(PATIENCE), "vector {vector}, dynamic {dynamic}");
        }
        drop(vectors);
        drop(interrupts);
        assert!(!bus.messages_enabled());
    }
}

#[test]
fn best_is_the_best_that_the_function_has() {
    for (msi, msix, best) in [(4, 5, Mode::Msix), (4, 0, Mode::Msi), (0, 0, Mode::Intx)] {
        let (device, _bus) = silent(|config| (config.msi, config.msix) = (msi, msix));
        assert_eq!(device.interrupts(Best).unwrap().mode(), Some(best));
    }
    let (device, _bus) = silent(|config| (config.intx, config.msi, config.msix) = (false, 0, 0));
    let error = device.interrupts(Best).unwrap_err();
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E11)));
}

#[test]
fn one_mode_at_a_time() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    assert_eq!(device.interrupts(Mode::Intx).unwrap_err().kind(), ErrorKind::Busy);
    let vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    drop(interrupts);
    assert_eq!(device.interrupts(Mode::Intx).unwrap_err().kind(), ErrorKind::Busy);
    drop(vector);
    assert_eq!(device.interrupts(Mode::Intx).unwrap().mode(), Some(Mode::Intx));
}

#[test]
fn r27_after_disconnect_nothing_runs() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let connect = |interrupts: &mut dirql::interrupt::Interrupts| {
        let counted = counted.clone();
        interrupts.connect(0, "state", move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            Handled::Yes
        })
    };
    let vector = connect(&mut interrupts).unwrap();
    bus.message(0);
    eventually("the handler runs", || calls.load(Ordering::SeqCst) == 1);
    assert_eq!(vector.disconnect(), Ok(Some("state")));
    assert_eq!(vector.disconnect(), Ok(None));
    bus.message(0);
    assert_eq!(vector.synchronize(|_| ()), Err(SyncError::NotConnected));
    // R28: a new connection begins anew, and what came in between is gone.
    let again = connect(&mut interrupts).unwrap();
    assert_eq!(again.statistics().count, 0);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    bus.message(0);
    eventually("the new connection's handler runs", || calls.load(Ordering::SeqCst) == 2);
    assert_eq!(vector.synchronize(|_| ()), Err(SyncError::NotConnected));
}

#[test]
fn r27_disconnect_waits_for_the_handler_that_runs() {
    let (device, bus) = silent(|_| ());
    let (entered, leave) = (Completion::new(), Completion::new());
    let (told, gate) = (entered.clone(), leave.clone());
    let vector = Arc::new(
        device
            .interrupts(Mode::Msi)
            .unwrap()
            .connect(0, false, move |finished, _| {
                told.complete();
                assert!(gate.wait(PATIENCE));
                *finished = true;
                Handled::Yes
            })
            .unwrap(),
    );
    bus.message(0);
    assert!(entered.wait(PATIENCE));
    // Sixteen waiters are refused, not run; one of two disconnects gets the state, the other waits for it.
    let waiters: Vec<_> = (0..16)
        .map(|_| {
            let vector = vector.clone();
            std::thread::spawn(move || vector.synchronize(|_| ()))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    let disconnects: Vec<_> = (0..2)
        .map(|_| {
            let vector = vector.clone();
            std::thread::spawn(move || vector.disconnect())
        })
        .collect();
    eventually("it is disconnecting", || vector.try_synchronize(|_| ()) == Err(SyncError::Disconnecting));
    leave.complete();
    let outcomes: Vec<_> = disconnects.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(outcomes.contains(&Ok(Some(true))) && outcomes.contains(&Ok(None)), "{outcomes:?}");
    for waiter in waiters {
        let outcome = waiter.join().unwrap();
        assert!(matches!(outcome, Err(SyncError::Disconnecting | SyncError::NotConnected)), "{outcome:?}");
    }
}

#[test]
fn r27_from_the_own_handler_it_is_done_after_the_handler_returns() {
    let (device, bus) = silent(|_| ());
    let slot: Arc<OnceLock<Vector<u32>>> = Arc::default();
    let own = slot.clone();
    let (sender, receiver) = mpsc::channel();
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, 0, move |calls, _| {
        *calls += 1;
        sender.send(own.get().map(Vector::disconnect)).unwrap();
        Handled::Yes
    });
    slot.set(vector.unwrap()).unwrap();
    bus.message(0);
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Some(Ok(None)));
    let vector = slot.get().unwrap();
    eventually("it is over", || vector.synchronize(|_| ()) == Err(SyncError::NotConnected));
    bus.message(0);
    assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
}

#[test]
fn r27_from_a_section_it_is_an_error_and_a_drop_there_does_not_hang() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let own = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    let other = interrupts.connect(1, (), |(), _| Handled::Yes).unwrap();
    assert_eq!(own.synchronize(|()| own.disconnect()), Ok(Err(SyncError::Reentrant)));
    assert_eq!(own.synchronize(|()| other.disconnect()), Ok(Err(SyncError::LockOrder)));
    let own = returns("a drop inside a section", move || {
        own.synchronize(|()| drop(other)).unwrap();
        own
    });
    eventually("the dropped vector is gone", || {
        interrupts.synchronize(1, || ()) == Err(SyncError::NotConnected)
    });
    bus.message(0);
    eventually("the other one lives", || own.statistics().count == 1);
}

#[test]
fn r28_dropping_the_device_takes_it_down_in_order_also_while_unwinding() {
    let (device, bus) = silent(|_| ());
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), |(), _| Handled::Yes).unwrap();
        let _lent = device.dma(dirql::dma::DmaMask::FULL).buffer(8192).unwrap().lend();
        device.set_bus_master(true).unwrap();
        assert!(bus.messages_enabled() && bus.mappings() == 1 && bus.bus_master());
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert!(!bus.messages_enabled());
    assert!(bus.mappings() == 1, "memory stays mapped as long as the device is open");
    drop(device);
    assert!(!bus.bus_master() && bus.mappings() == 0);
}

#[test]
fn the_loopback_of_each_vector_arrives_and_a_hundred_devices_come_and_go() {
    for _ in 0..100 {
        let (device, bus) = silent(|config| config.resettable = true);
        let checks = dirql::selftest::run(&device);
        assert!(checks.iter().all(|check| check.outcome != dirql::selftest::Outcome::Fail), "{checks:#?}");
        assert_eq!(checks.iter().filter(|check| check.name.ends_with(": trigger")).count(), 3);
        assert!(!bus.messages_enabled());
    }
}

#[test]
fn the_conformance_suite_fails_where_the_device_does() {
    // A device that is not there: its ids read as ones.
    let config = dirql::backend::model::ModelConfig::new(0xffff, 0xffff);
    let device =
        Device::from_backend(dirql::backend::model::ModelBackend::new(config, support::Silent)).unwrap();
    let checks = dirql::selftest::run(&device);
    assert_eq!(checks[0].outcome, dirql::selftest::Outcome::Fail);
    assert_eq!(device.backend().unwrap().irq(IrqIndex::Error).unwrap().count, 0);
    assert!(device.backend().unwrap().read(RegionIndex::CONFIG, 256, &mut [0]).is_err());
}

#[test]
fn r5_handler_routines_and_deferred_calls_get_the_very_same_state() {
    let (device, bus) = silent(|_| ());
    let (sender, seen) = mpsc::channel();
    let by_deferred = sender.clone();
    let place = |state: &mut [u64; 4]| std::ptr::from_mut(state).addr();
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, [0; 4])
        .deferred(move |call| by_deferred.send(call.synchronize(place).unwrap()).unwrap())
        .connect(move |state, event| {
            sender.send(place(state)).unwrap();
            event.defer();
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    let by_routine = vector.synchronize(place).unwrap();
    for _ in 0..2 {
        assert_eq!(seen.recv_timeout(PATIENCE), Ok(by_routine));
    }
}

#[test]
fn r22_the_trigger_is_set_to_connect_and_never_to_go_on() {
    for mode in Mode::ALL {
        let (device, bus) = silent(|_| ());
        let line = bus.clone();
        let vector = device
            .interrupts(mode)
            .unwrap()
            .connect(0, 0_u64, move |calls, _| {
                line.set_line(false);
                *calls += 1;
                Handled::Yes
            })
            .unwrap();
        let connected = bus.triggers();
        for calls in 1..=50 {
            if mode == Mode::Intx {
                bus.set_line(true)
            } else {
                bus.message(0)
            }
            eventually("it is handled", || vector.synchronize(|calls| *calls) == Ok(calls) && !bus.masked());
        }
        assert_eq!(bus.triggers(), connected, "{mode}");
    }
}
