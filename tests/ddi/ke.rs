//! `KeSynchronizeExecution`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use dirql::ddi::ke::synchronize_execution;
use dirql::interrupt::{Event, Handled, Mode};
use dirql::synchronize::SyncError;

use crate::shared::{Shared, exclusion, handler, routine};
use crate::support::{PATIENCE, eventually, silent};

#[test]
fn r4_ke_the_routine_is_serialized_with_the_handler() {
    for mode in [Mode::Msi, Mode::Msix] {
        let (device, bus) = silent(|_| ());
        let (shared, witness) = Shared::new();
        let interrupt = device.interrupts(mode).unwrap().connect(1, shared, handler).unwrap();
        let synchronize = |handled: &mut u64| synchronize_execution(&interrupt, routine, handled);
        exclusion(&witness, || bus.message(1), synchronize);
    }
}

#[test]
fn r1_ke_both_booleans_come_back_and_a_refusal_is_neither() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Intx).unwrap();
    interrupts.on_fault(|_| ());
    let (sender, receiver) = mpsc::channel();
    let line = bus.clone();
    let interrupt = interrupts.connect(0, (), move |(), _| {
        line.set_line(false);
        sender.send(()).unwrap();
        Handled::Yes
    });
    let interrupt = interrupt.unwrap();
    // A plain function, as in C, and the thread that called.
    fn answer((): &mut (), context: &mut (bool, Option<std::thread::ThreadId>)) -> bool {
        context.1 = Some(std::thread::current().id());
        context.0
    }
    for value in [true, false] {
        let mut context = (value, None);
        assert_eq!(synchronize_execution(&interrupt, answer, &mut context), Ok(value));
        assert_eq!(context.1, Some(std::thread::current().id()));
    }
    bus.set_line(true);
    receiver.recv_timeout(PATIENCE).unwrap();
    let mut refusal = None;
    let nested = |(): &mut (), refusal: &mut Option<_>| {
        *refusal = Some(synchronize_execution(&interrupt, answer, &mut (true, None)));
        false
    };
    assert_eq!(synchronize_execution(&interrupt, nested, &mut refusal), Ok(false));
    assert_eq!(refusal, Some(Err(SyncError::Reentrant)));
    interrupt.disconnect().unwrap();
    let mut untouched = (true, None);
    assert_eq!(synchronize_execution(&interrupt, answer, &mut untouched), Err(SyncError::NotConnected));
    assert_eq!(untouched.1, None);
}

#[test]
fn r11_ke_interrupts_that_share_a_lock_share_one_critical_section() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let (shared, witness) = Shared::new();
    let group = interrupts.group(&[2, 4], shared).unwrap();
    let two = interrupts.vector_in(&group, 2).connect(handler).unwrap();
    let four = interrupts.vector_in(&group, 4).connect(handler).unwrap();
    let turn = AtomicU32::new(0);
    exclusion(
        &witness,
        || bus.message(2 + turn.fetch_add(1, Ordering::Relaxed) % 2 * 2),
        |handled| {
            let either = if turn.load(Ordering::Relaxed).is_multiple_of(2) { &two } else { &four };
            synchronize_execution(either, routine, handled)
        },
    );
    assert!(two.statistics().calls > 0 && four.statistics().calls > 0);
    let mut inner = Ok(true);
    let nested = |_: &mut Shared, inner: &mut Result<bool, SyncError>| {
        *inner = synchronize_execution(&four, routine, &mut 0);
        true
    };
    assert_eq!(synchronize_execution(&two, nested, &mut inner), Ok(true));
    assert_eq!(inner, Err(SyncError::Reentrant));
}

#[test]
fn r7_ke_another_interrupt_runs_meanwhile() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let (sender, receiver) = mpsc::channel();
    let held = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    let _other = interrupts.connect(1, (), move |(), event| {
        sender.send(event.count).unwrap();
        Handled::Yes
    });
    // Higher levels may still interrupt a SynchCritSection routine; here, every other vector.
    let waits = |(): &mut (), count: &mut u64| {
        bus.message(1);
        *count = receiver.recv_timeout(PATIENCE).unwrap();
        true
    };
    let mut count = 0;
    assert_eq!((synchronize_execution(&held, waits, &mut count), count), (Ok(true), 1));
}

#[test]
fn r26_ke_in_the_deferred_call_it_is_the_call_that_is_synchronized_with() {
    let (device, bus) = silent(|_| ());
    let (sender, receiver) = mpsc::channel();
    let interrupt = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, 0_u64)
        .deferred(move |call| {
            let take = |pending: &mut u64, taken: &mut u64| {
                *taken = std::mem::take(pending);
                *taken > 0
            };
            let mut taken = 0;
            sender.send((synchronize_execution(call, take, &mut taken), taken)).unwrap();
        })
        .connect(|pending, event: Event<'_>| {
            *pending += event.count;
            event.defer();
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok((Ok(true), 1)));
    eventually("it is taken", || interrupt.synchronize(|pending| *pending) == Ok(0));
    assert_eq!(interrupt.defer(), Ok(true));
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok((Ok(false), 0)));
}
