//! Delivery that is not plain: inactive vectors (R21), storms (R24), ways of waiting (R25), on the model backend.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dirql::Device;
use dirql::interrupt::{FaultKind, Handled, Mode, StormLimit, Wait};
use dirql::synchronize::SyncError;
use support::spy::Spy;
use support::{PATIENCE, eventually, silent, silent_backend};

#[test]
fn r21_what_comes_while_inactive_is_counted_and_replayed_once() {
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msix)
        .unwrap()
        .connect(2, Vec::new(), |calls, event| {
            calls.push(event.count);
            Handled::Yes
        })
        .unwrap();
    bus.message(2);
    eventually("the first call", || vector.synchronize(|calls| calls.len()) == Ok(1));
    vector.deactivate().unwrap();
    for sent in 1..=5 {
        bus.message(2);
        eventually("it is counted", || vector.statistics().count == 1 + sent);
    }
    // Routines still reach the state.
    assert_eq!(vector.synchronize(|calls| calls.len()), Ok(1));
    vector.activate().unwrap();
    eventually("the replay", || vector.synchronize(|calls| calls.len()) == Ok(2));
    vector.activate().unwrap();
    bus.message(2);
    eventually("the next one", || vector.synchronize(|calls| calls.len()) == Ok(3));
    assert_eq!(vector.statistics().count, 7);
    assert_eq!(bus.triggers(), 2, "the trigger is left alone");
    assert_eq!(vector.disconnect().unwrap(), Some(vec![1, 5, 1]));
}

#[test]
fn r21_no_interrupt_is_lost_by_switching_under_fire() {
    const SENT: u64 = 50_000;
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .connect(0, 0_u64, |sum, event| {
            *sum += event.count;
            Handled::Yes
        })
        .unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                vector.deactivate().unwrap();
                let before = vector.synchronize(|sum| *sum).unwrap();
                std::thread::yield_now();
                assert_eq!(vector.synchronize(|sum| *sum), Ok(before), "the handler ran while inactive");
                vector.activate().unwrap();
                std::thread::yield_now();
            }
        });
        (0..SENT).for_each(|_| bus.message(0));
        over.store(true, Ordering::Relaxed);
    });
    eventually("all are delivered", || vector.synchronize(|sum| *sum) == Ok(SENT));
}

#[test]
fn r21_a_line_stays_masked_while_inactive() {
    let (device, bus) = silent(|_| ());
    let line = bus.clone();
    let vector = device
        .interrupts(Mode::Intx)
        .unwrap()
        .connect(0, 0_u64, move |calls, _| {
            *calls += 1;
            line.set_line(false);
            Handled::Yes
        })
        .unwrap();
    vector.deactivate().unwrap();
    bus.set_line(true);
    eventually("it has come", || vector.statistics().count == 1);
    vector.unmask().unwrap();
    assert!(bus.masked() && vector.synchronize(|calls| *calls) == Ok(0));
    vector.activate().unwrap();
    eventually("it is handled", || vector.synchronize(|calls| *calls) == Ok(1) && !bus.masked());
}

#[test]
fn r20_r21_activation_leaves_a_line_masked_that_the_handler_keeps() {
    let (device, bus) = silent(|_| ());
    let vector = device.interrupts(Mode::Intx).unwrap().connect(0, 0, |calls, _| {
        *calls += 1;
        Handled::KeepMasked
    });
    let vector = vector.unwrap();
    bus.set_line(true);
    eventually("the call", || vector.synchronize(|calls| *calls) == Ok(1));
    vector.deactivate().unwrap();
    vector.activate().unwrap();
    assert!(bus.masked() && bus.unmasks() == 0, "whoever quiets the device unmasks the line");
    // Said while inactive, it counts once that is over.
    vector.deactivate().unwrap();
    vector.unmask().unwrap();
    assert!(bus.masked() && bus.unmasks() == 0);
    vector.activate().unwrap();
    eventually("the line fires again", || vector.synchronize(|calls| *calls) == Ok(2));
    assert_eq!(bus.unmasks(), 1);
}

#[test]
fn r21_a_handler_may_make_its_own_vector_inactive() {
    let (device, bus) = silent(|_| ());
    let slot = Arc::new(std::sync::OnceLock::<dirql::interrupt::Vector<u64>>::new());
    let (own, (sender, receiver)) = (slot.clone(), mpsc::channel());
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, 0, move |calls, event| {
        *calls += event.count;
        sender.send(own.get().map(|vector| vector.deactivate())).unwrap();
        Handled::Yes
    });
    slot.set(vector.unwrap()).unwrap();
    let vector = slot.get().unwrap();
    bus.message(0);
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Some(Ok(())));
    bus.message(0);
    eventually("it is counted", || vector.statistics().count == 2);
    assert_eq!(vector.synchronize(|calls| *calls), Ok(1));
    vector.activate().unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Some(Ok(())));
    vector.disconnect().unwrap();
    assert_eq!(vector.deactivate(), Err(SyncError::NotConnected));
}

/// A handler that never finds anything to do, with a limit of its own.
fn storm(mode: Mode) {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(mode).unwrap();
    let (sender, faults) = mpsc::channel();
    interrupts.on_fault(move |fault| sender.send(matches!(fault.kind, FaultKind::Storm)).unwrap());
    let calm = Arc::new(AtomicBool::new(false));
    let (found, line) = (calm.clone(), bus.clone());
    let vector = interrupts
        .vector(0, ())
        .storm_limit(StormLimit { calls: 100, window: Duration::from_secs(10) })
        .connect(move |(), _| {
            if found.load(Ordering::SeqCst) {
                line.set_line(false);
                Handled::Yes
            } else {
                Handled::No
            }
        })
        .unwrap();
    let fire = || match mode {
        Mode::Intx => bus.set_line(true),
        Mode::Msi | Mode::Msix => bus.message(0),
    };
    eventually("the vector is quieted", || {
        fire();
        vector.is_faulted()
    });
    assert_eq!(faults.recv_timeout(PATIENCE), Ok(true), "{mode}");
    // Quiet: what the device still does reaches nobody.
    let settled = || {
        let before = vector.statistics().count;
        std::thread::sleep(Duration::from_millis(20));
        (before == vector.statistics().count).then_some(before)
    };
    let mut counted = None;
    eventually("it is quiet", || {
        counted = settled();
        counted.is_some()
    });
    (0..50).for_each(|_| fire());
    assert_eq!(settled(), counted, "{mode}");
    assert!(faults.try_recv().is_err(), "told once");
    assert_eq!(vector.synchronize(|()| 7), Ok(7));
    if mode == Mode::Intx {
        vector.unmask().unwrap();
        assert!(bus.masked(), "only the fault's end unmasks");
    }
    calm.store(true, Ordering::SeqCst);
    vector.clear_fault().unwrap();
    fire();
    eventually("it is back", || Some(vector.statistics().count) > counted && !vector.is_faulted());
}

#[test]
fn r24_a_storm_of_messages_is_quieted_and_told_once() {
    storm(Mode::Msi);
    storm(Mode::Msix);
}

#[test]
fn r24_a_line_that_nobody_quiets_is_quieted_and_told_once() {
    storm(Mode::Intx);
}

#[test]
fn r24_a_fault_that_cannot_be_cleared_stays_one_and_can_be_cleared_later() {
    let spy = Spy::on(silent_backend(|_| ()));
    let (bus, refuses) = (spy.model.bus(), spy.refuses.clone());
    let device = Device::from_backend(spy).unwrap();
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    interrupts.on_fault(|_| ());
    let limit = StormLimit { calls: 0, window: PATIENCE };
    let vector = interrupts.vector(0, ()).storm_limit(limit).connect(|(), _| Handled::No).unwrap();
    bus.message(0);
    eventually("it is quieted", || vector.is_faulted());
    refuses.store(true, Ordering::Release);
    assert!(vector.clear_fault().is_err() && vector.is_faulted());
    refuses.store(false, Ordering::Release);
    vector.clear_fault().unwrap();
    bus.message(0);
    eventually("it fires again", || vector.statistics().calls == 2);
}

#[test]
fn r24_interrupts_that_mean_something_are_no_storm() {
    let (device, bus) = silent(|_| ());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, 0_u64)
        .storm_limit(StormLimit { calls: 3, window: Duration::from_secs(1000) })
        .connect(|calls, _| {
            *calls += 1;
            if *calls % 3 == 0 { Handled::Yes } else { Handled::No }
        })
        .unwrap();
    for sent in 1..=300 {
        bus.message(0);
        eventually("it is handled", || vector.synchronize(|calls| *calls) == Ok(sent));
    }
    assert!(!vector.is_faulted());
    assert_eq!(vector.statistics().spurious, 200);
}

#[test]
fn r25_every_way_of_waiting_delivers_everything_and_ends() {
    const WRITERS: u64 = 2;
    const EACH: u64 = 5_000;
    for wait in [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(20) }, Wait::Poll] {
        let (device, bus) = silent(|_| ());
        let vector = device
            .interrupts(Mode::Msi)
            .unwrap()
            .vector(0, 0_u64)
            .wait(wait)
            .connect(|sum, event| {
                *sum += event.count;
                Handled::Yes
            })
            .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| (0..EACH).for_each(|_| bus.message(0)));
            }
        });
        eventually("all are delivered", || vector.synchronize(|sum| *sum) == Ok(WRITERS * EACH));
        assert_eq!(vector.disconnect().unwrap(), Some(WRITERS * EACH), "{wait:?}");
    }
}
