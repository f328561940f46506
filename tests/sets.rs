//! The sections of several vectors at once (R12), and waits that end (R8), on the model backend.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dirql::interrupt::{Handled, Interrupts, Mode, Vector};
use dirql::synchronize::SyncError;
use support::{PATIENCE, eventually, returns, silent};

fn connect<T: Send + 'static>(interrupts: &mut Interrupts, index: u16, state: T) -> Vector<T> {
    interrupts.connect(index, state, |_, _| Handled::Yes).unwrap()
}

#[test]
fn r12_a_set_reaches_the_state_of_each_of_its_vectors_and_of_no_other() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let (zero, three) = (connect(&mut interrupts, 0, 7_u64), connect(&mut interrupts, 3, "three"));
    let other = connect(&mut interrupts, 1, ());
    let seen = interrupts.synchronize_set(&[3, 0, 3], |set| {
        *set.state(&zero)? += 1;
        assert!(set.state(&other).is_none(), "vector 1 is not of the set");
        assert_eq!(zero.synchronize(|_| ()), Err(SyncError::Reentrant));
        Some((*set.state(&zero)?, *set.state(&three)?))
    });
    assert_eq!(seen, Ok(Some((8, "three"))));
    // A section around the set is not of the set, though it is held.
    let inner = zero.synchronize(|state| {
        let of_set =
            interrupts.synchronize_set(&[3], |set| (set.state(&zero).is_none(), set.state(&three).is_some()));
        (*state, of_set)
    });
    assert_eq!(inner, Ok((8, Ok((true, true)))));
    assert_eq!((zero.statistics().synchronize.calls, other.statistics().synchronize.calls), (2, 0));
    assert_eq!(three.statistics().synchronize.calls, 2);
}

#[test]
fn r12_all_is_every_vector_that_has_a_handler_and_a_group_is_entered_once() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    assert_eq!(interrupts.synchronize_all(|_| 7), Ok(7));
    let group = interrupts.group(&[1, 2], 0_u64).unwrap();
    let count = |calls: &mut u64, _: dirql::interrupt::Event<'_>| {
        *calls += 1;
        Handled::Yes
    };
    let one = interrupts.vector_in(&group, 1).connect(count).unwrap();
    let two = interrupts.vector_in(&group, 2).connect(count).unwrap();
    let four = interrupts.connect(4, 0, count).unwrap();
    interrupts
        .synchronize_all(|set| {
            *set.state(&one).unwrap() += 10;
            *set.state(&two).unwrap() += 10;
            *set.state(&four).unwrap() += 1;
            for vector in [1, 2, 4] {
                bus.message(vector);
            }
            eventually("every thread has read its eventfd", || {
                [&one, &two, &four].iter().all(|vector| vector.statistics().count == 1)
            });
            assert_eq!(
                (*set.state(&two).unwrap(), *set.state(&four).unwrap()),
                (20, 1),
                "a handler ran inside"
            );
        })
        .unwrap();
    eventually("the handlers run after it", || {
        one.synchronize(|calls| *calls) == Ok(22) && four.synchronize(|calls| *calls) == Ok(2)
    });
}

#[test]
fn r2_r12_a_set_is_refused_whole_and_a_bad_argument_first() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let zero = connect(&mut interrupts, 0, ());
    let two = connect(&mut interrupts, 2, ());
    let run = |indices: &[u16]| interrupts.synchronize_set(indices, |_| panic!("it runs"));
    assert_eq!(run(&[1, 5]), Err::<(), _>(SyncError::InvalidVector));
    assert_eq!(run(&[0, 1]), Err(SyncError::NotConnected));
    assert_eq!(zero.synchronize(|()| run(&[2, 0])), Ok(Err(SyncError::Reentrant)));
    assert_eq!(two.synchronize(|()| run(&[0])), Ok(Err(SyncError::LockOrder)));
    let poison = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        interrupts.synchronize_set(&[0, 2], |_| panic!("on purpose"))
    }));
    assert!(poison.is_err() && zero.is_poisoned() && two.is_poisoned());
    two.clear_poison().unwrap();
    assert_eq!(run(&[0, 2]), Err(SyncError::Poisoned));
    assert_eq!(two.synchronize(|()| 7), Ok(7), "nothing is held");
}

#[test]
fn r12_sets_asked_for_in_any_order_and_handlers_do_not_deadlock() {
    const ROUNDS: u32 = 20_000;
    returns("sets against each other", || {
        let (device, bus) = silent(|_| ());
        let mut interrupts = device.interrupts(Mode::Msix).unwrap();
        let vectors: Vec<_> = (0..3).map(|index| connect(&mut interrupts, index, 0_u64)).collect();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    (0..3).for_each(|vector| bus.message(vector));
                    std::thread::yield_now();
                }
            });
            let (interrupts, vectors) = (&interrupts, &vectors);
            let threads: Vec<_> = [[0, 1, 2], [2, 1, 0], [1, 2, 0]]
                .into_iter()
                .map(|order| {
                    scope.spawn(move || {
                        for _ in 0..ROUNDS {
                            interrupts
                                .synchronize_set(&order, |set| {
                                    for vector in vectors {
                                        *set.state(vector).unwrap() += 1;
                                    }
                                })
                                .unwrap();
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            over.store(true, Ordering::Relaxed);
        });
        for vector in vectors {
            assert_eq!(vector.disconnect().unwrap(), Some(u64::from(3 * ROUNDS)));
        }
    });
}

#[test]
fn r8_a_wait_for_a_vector_ends_in_time_and_without_running() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let ((sender, entered), leave) = (mpsc::channel(), Arc::new(AtomicBool::new(false)));
    let gate = leave.clone();
    let vector = interrupts
        .connect(0, 0_u64, move |calls, _| {
            sender.send(()).unwrap();
            eventually("the test lets it go", || gate.load(Ordering::SeqCst));
            *calls += 1;
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    entered.recv_timeout(PATIENCE).unwrap();
    let timed_out = vector.synchronize_timeout(Duration::from_millis(5), |_| panic!("it runs"));
    assert_eq!(timed_out, Err::<(), _>(SyncError::TimedOut));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| vector.synchronize_timeout(PATIENCE, |calls| *calls));
        leave.store(true, Ordering::SeqCst);
        assert_eq!(patient.join().unwrap(), Ok(1));
    });
}

#[test]
fn r6_r10_what_happens_to_a_set_is_counted_of_its_vectors() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let [zero, one, two] = [0, 1, 2].map(|index| connect(&mut interrupts, index, ()));
    let refused = zero.synchronize(|()| interrupts.synchronize_set(&[0, 1], |_| ()));
    assert_eq!(refused, Ok(Err(SyncError::Reentrant)));
    let reentries = |of: &Vector<()>| of.statistics().synchronize.reentries;
    assert_eq!((reentries(&zero), reentries(&one)), (1, 0));
    let panics = || interrupts.synchronize_set(&[0, 1], |_| panic!("on purpose"));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
    assert_eq!([&zero, &one, &two].map(|of| of.statistics().poisonings), [1, 1, 0]);
    assert_eq!(interrupts.synchronize_all(|_| ()), Err(SyncError::Poisoned));
}

#[test]
fn r29_a_set_without_members_is_no_way_to_a_device_that_is_gone() {
    let (device, bus) = silent(|config| config.error = true);
    let errors = device.error_source((), |(), _| ()).unwrap();
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let vector = connect(&mut interrupts, 0, ());
    let panics = || interrupts.synchronize_set(&[0], |_| panic!("on purpose"));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
    bus.pull();
    bus.raise_error();
    eventually("it is gone", || errors.synchronize(|()| ()) == Err(SyncError::DeviceGone));
    let gone = Err(SyncError::DeviceGone);
    // Poisoned is what they are too, but nobody can help that any more.
    assert_eq!([interrupts.synchronize_set(&[0], |_| ()), interrupts.synchronize_all(|_| ())], [gone; 2]);
    assert_eq!(interrupts.synchronize_set(&[], |_| ()), gone);
    assert_eq!(interrupts.synchronize_set(&[9], |_| ()), Err(SyncError::InvalidVector));
    vector.disconnect().unwrap();
    assert_eq!(interrupts.synchronize_all(|_| ()), gone);
}
