//! Several vectors at once: groups (R11), and devices without any (R9), on the model backend.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dirql::ErrorKind;
use dirql::interrupt::{Event, Handled, Interrupts, Mode, NoInterrupts, Priority};
use dirql::synchronize::SyncError;
use support::{PATIENCE, blocked_signals, eventually, silent};

#[test]
fn r11_vectors_of_a_group_share_one_lock_and_one_state() {
    const EACH: u64 = 20_000;
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[4, 1], (0_u64, 0_u64, 0_u64)).unwrap();
    let handler = |pair: &mut (u64, u64, u64), _: Event<'_>| {
        advance(pair);
        Handled::Yes
    };
    let one = interrupts.vector_in(&group, 1).connect(handler).unwrap();
    let four = interrupts.vector_in(&group, 4).connect(handler).unwrap();
    std::thread::scope(|scope| {
        for (vector, number) in [(&one, 1), (&four, 4)] {
            let bus = &bus;
            scope.spawn(move || {
                for _ in 0..EACH {
                    bus.message(number);
                    vector.synchronize(advance).unwrap();
                }
            });
        }
    });
    let sections = 2 * EACH;
    let handled = || one.statistics().calls + four.statistics().calls;
    eventually("every interrupt is handled", || {
        one.statistics().count == EACH && four.statistics().count == EACH && {
            let total = one.synchronize(|pair| pair.0);
            total == Ok(sections + handled())
        }
    });
    assert_eq!(four.synchronize(|pair| pair.0 == pair.1 && pair.2 == 0), Ok(true));
    // R6: another name of the lock that this thread holds.
    assert_eq!(one.synchronize(|_| four.synchronize(|_| ())), Ok(Err(SyncError::Reentrant)));
    // The state stays in the group.
    assert_eq!(four.disconnect(), Ok(None));
    assert_eq!(one.synchronize(|pair| pair.0 > sections), Ok(true));
    assert_eq!(one.disconnect(), Ok(None));
    assert!(group.into_inner().unwrap().0 > sections);
}

fn advance(pair: &mut (u64, u64, u64)) {
    pair.2 += u64::from(pair.0 != pair.1);
    pair.0 += 1;
    std::hint::black_box(&mut *pair);
    pair.1 += 1;
}

/// A routine that was let in by one vector of a group is waited for by that vector's disconnect, though the state stays.
#[test]
fn r11_r27_a_disconnect_waits_for_the_routine_inside() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[0, 1], ()).unwrap();
    let one = interrupts.vector_in(&group, 1).connect(|(), _| Handled::Yes).unwrap();
    let has_left = AtomicBool::new(false);
    let (inside, entered) = mpsc::channel();
    let routine = || {
        inside.send(()).unwrap();
        eventually("the disconnect begins", || one.synchronize(|()| ()) != Err(SyncError::Reentrant));
        // It has all the time to end, and must not.
        let ended = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_micros(50));
            one.synchronize(|()| ()) != Err(SyncError::Disconnecting)
        });
        has_left.store(true, Ordering::Release);
        ended
    };
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| one.synchronize(|()| routine()));
        entered.recv_timeout(PATIENCE).unwrap();
        assert_eq!(one.disconnect(), Ok(None));
        assert!(has_left.load(Ordering::Acquire), "disconnected, and a routine runs");
        assert_eq!(caller.join().unwrap(), Ok(false), "over, and a routine runs");
    });
    assert_eq!(one.synchronize(|()| ()), Err(SyncError::NotConnected));
}

#[test]
fn r11_r12_a_group_stands_where_its_first_vector_does() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[3, 1], ()).unwrap();
    let three = interrupts.vector_in(&group, 3).connect(|(), _| Handled::Yes).unwrap();
    let (zero, two) = (connect(&mut interrupts, 0), connect(&mut interrupts, 2));
    assert_eq!(zero.synchronize(|()| three.synchronize(|()| two.synchronize(|()| ()))), Ok(Ok(Ok(()))));
    assert_eq!(two.synchronize(|()| three.synchronize(|()| ())), Ok(Err(SyncError::LockOrder)));
}

fn connect(interrupts: &mut Interrupts, index: u16) -> dirql::interrupt::Vector<()> {
    interrupts.connect(index, (), |(), _| Handled::Yes).unwrap()
}

#[test]
fn r10_r11_a_panic_poisons_the_whole_group() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    interrupts.on_fault(|_| ());
    let group = interrupts.group(&[0, 1], 0_u64).unwrap();
    let zero = interrupts.vector_in(&group, 0).connect(|_, _| -> Handled { panic!("on purpose") }).unwrap();
    let one = interrupts.vector_in(&group, 1).connect(|calls, _| {
        *calls += 1;
        Handled::Yes
    });
    let one = one.unwrap();
    bus.message(0);
    eventually("it is poisoned", || one.is_poisoned());
    bus.message(1);
    assert_eq!(one.synchronize(|_| ()), Err(SyncError::Poisoned));
    eventually("the interrupt has come", || one.statistics().count == 1);
    // Whoever recovers the state delivers what came meanwhile, also to the others.
    zero.deactivate().unwrap();
    zero.clear_poison().unwrap();
    eventually("it is delivered", || one.synchronize(|calls| *calls) == Ok(1));
}

#[test]
fn a_group_is_of_vectors_that_there_are_and_its_state_is_whole() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    for members in [&[][..], &[0, 5]] {
        let error = interrupts.group(members, ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    let group = interrupts.group(&[0, 1], "state").unwrap();
    let error = interrupts.vector_in(&group, 2).connect(|_, _| Handled::Yes).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("[0, 1]"), "{error}");
    let (other, _bus) = silent(|_| ());
    let mut others = other.interrupts(Mode::Msix).unwrap();
    assert!(others.vector_in(&group, 0).connect(|_, _| Handled::Yes).is_err());
    let vector = interrupts.vector_in(&group, 0).connect(|_, _| Handled::Yes).unwrap();
    let error = group.into_inner().unwrap_err();
    assert!(error.kind() == ErrorKind::Busy && error.to_string().contains("vector 0"), "{error}");
    drop(vector);
    let group = interrupts.group(&[0, 1], "state").unwrap();
    drop(interrupts.vector_in(&group, 1).connect(|_, _| Handled::Yes).unwrap());
    assert_eq!(group.into_inner().unwrap(), "state");
}

#[test]
fn r9_without_interrupts_every_priority_runs_undisturbed() {
    let (device, _bus) = silent(|config| (config.intx, config.msi, config.msix) = (false, 0, 0));
    let interrupts = device.interrupts(NoInterrupts).unwrap();
    assert_eq!((interrupts.mode(), interrupts.count()), (None, 0));
    let before = blocked_signals();
    for priority in [Priority::Low, Priority::Medium, Priority::High] {
        let blocked = interrupts.synchronize_at(priority, 0, blocked_signals).unwrap();
        assert_eq!((blocked >> (libc::SIGALRM - 1)) & 1, 1, "{priority:?}");
        assert_eq!(interrupts.synchronize_at(priority, 1, || ()), Err(SyncError::InvalidVector));
    }
    assert_eq!(blocked_signals(), before);
    assert_eq!(interrupts.synchronize(0, || ()), Err(SyncError::InvalidVector));
    assert!(interrupts.fire(0).is_err());
    // It is a declaration like any other.
    assert_eq!(device.interrupts(NoInterrupts).unwrap_err().kind(), ErrorKind::Busy);
    drop(interrupts);
    drop(device.interrupts(NoInterrupts).unwrap());
}

#[test]
fn r9_merely_unconnected_there_is_no_silent_downgrade() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    for (priority, outcome) in [
        (Priority::Low, Ok(7)),
        (Priority::Medium, Err(SyncError::NotConnected)),
        (Priority::High, Err(SyncError::NotConnected)),
    ] {
        assert_eq!(interrupts.synchronize_at(priority, 0, || 7), outcome, "{priority:?}");
        assert_eq!(interrupts.synchronize_at(priority, 4, || 7), Err(SyncError::InvalidVector));
    }
    let vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    // Low takes no lock, and so runs beside a section; Medium and High are sections.
    vector
        .synchronize(|()| {
            assert_eq!(interrupts.synchronize_at(Priority::Low, 0, || 7), Ok(7));
            for priority in [Priority::Medium, Priority::High] {
                assert_eq!(interrupts.synchronize_at(priority, 0, || 7), Err(SyncError::Reentrant));
            }
        })
        .unwrap();
    for priority in [Priority::Medium, Priority::High] {
        let inside = || vector.synchronize(|()| ());
        assert_eq!(interrupts.synchronize_at(priority, 0, inside), Ok(Err(SyncError::Reentrant)));
    }
}

#[test]
fn r9_medium_waits_for_the_handler_and_low_does_not() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let (sender, receiver) = mpsc::channel();
    let (leave, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (gate, inside) = (leave.clone(), running.clone());
    let _vector = interrupts
        .connect(0, (), move |(), _| {
            inside.store(1, Ordering::SeqCst);
            sender.send(()).unwrap();
            eventually("the test lets it go", || gate.load(Ordering::SeqCst));
            inside.store(0, Ordering::SeqCst);
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(interrupts.synchronize_at(Priority::Low, 0, || running.load(Ordering::SeqCst)), Ok(1));
    std::thread::scope(|scope| {
        let high =
            scope.spawn(|| interrupts.synchronize_at(Priority::High, 0, || running.load(Ordering::SeqCst)));
        leave.store(true, Ordering::SeqCst);
        assert_eq!(high.join().unwrap(), Ok(0));
    });
}

#[test]
fn r12_no_lock_takes_another_ones_place_in_lock_order() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[0, 1], ()).unwrap();
    let one = interrupts.vector_in(&group, 1).connect(|(), _| Handled::Yes).unwrap();
    let error = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("vector 0"), "{error}");
    let zero = interrupts.vector_in(&group, 0).connect(|(), _| Handled::Yes).unwrap();
    assert_eq!(interrupts.synchronize_all(|_| 7), Ok(7));
    drop((zero, one));
    drop(interrupts.connect(0, (), |(), _| Handled::Yes).unwrap());
}

#[test]
fn a_vector_of_a_group_without_state_is_not_connected() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[0], 7).unwrap();
    let builder = interrupts.vector_in(&group, 0);
    assert_eq!(group.into_inner().unwrap(), 7);
    let error = builder.connect(|_, _| Handled::Yes).unwrap_err();
    assert!(error.to_string().contains("taken out"), "{error}");
    assert_eq!(interrupts.synchronize(0, || ()), Err(SyncError::NotConnected));
}
