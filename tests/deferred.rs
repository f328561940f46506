//! Deferred calls (R26), on the model backend.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use dirql::interrupt::{FaultKind, Handled, Mode, Vector};
use dirql::synchronize::{Completion, SyncError};
use support::{PATIENCE, blocked_signals, eventually, returns, silent};

#[test]
fn r26_each_true_is_one_run_and_none_is_concurrent_with_itself() {
    const EACH: u64 = 20_000;
    let (device, bus) = silent(|_| ());
    let (runs, inside, overlaps) = <(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
    let (counted, within, broken) = (runs.clone(), inside.clone(), overlaps.clone());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, 0_u64)
        .deferred(move |_| {
            broken.fetch_add(within.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            counted.fetch_add(1, Ordering::SeqCst);
            within.fetch_sub(1, Ordering::SeqCst);
        })
        .connect(|queued, event| {
            *queued += u64::from(event.defer());
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    eventually("the handler's own deferred call", || runs.load(Ordering::SeqCst) == 1);
    let queued: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..EACH)
                        .map(|i| {
                            if i % 64 == 0 {
                                bus.message(0);
                            }
                            u64::from(vector.defer().unwrap())
                        })
                        .sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // What was deferred has run when the disconnect returns.
    let from_handler = vector.disconnect().unwrap().unwrap();
    assert!(queued > 0 && from_handler >= 1);
    assert_eq!(runs.load(Ordering::SeqCst), queued + from_handler);
    assert_eq!(overlaps.load(Ordering::SeqCst), 0);
}

#[test]
fn r26_a_deferred_call_sees_what_was_written_before_a_defer_that_answered_false() {
    let (device, _bus) = silent(|_| ());
    // Plain relaxed data: only the slot orders it.
    let written = Arc::new(AtomicU64::new(0));
    let (seen, last) = (written.clone(), Arc::new(AtomicU64::new(0)));
    let told = last.clone();
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, ())
        .deferred(move |_| told.store(seen.load(Ordering::Relaxed), Ordering::Relaxed))
        .connect(|(), _| Handled::Yes)
        .unwrap();
    let mut falses = 0;
    for value in 1..=200_000 {
        written.store(value, Ordering::Relaxed);
        falses += u64::from(!vector.defer().unwrap());
    }
    vector.disconnect().unwrap();
    assert!(falses > 0, "no call was deferred twice");
    assert_eq!(last.load(Ordering::Relaxed), 200_000);
}

#[test]
fn r26_it_holds_no_lock_and_reaches_the_state_by_synchronize() {
    let (device, bus) = silent(|_| ());
    let (sender, receiver) = mpsc::channel();
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(2, vec![0_u64])
        .deferred(move |call| {
            let taken = call.synchronize(std::mem::take);
            let nested = call.synchronize(|_| call.synchronize(|_| ()));
            let name = std::thread::current().name().map(str::to_owned);
            sender.send((call.index(), taken, nested, name, blocked_signals())).unwrap();
        })
        .connect(|seen, event| {
            seen.push(event.count);
            assert!(event.defer() || seen.len() > 2);
            Handled::Yes
        })
        .unwrap();
    bus.message(2);
    let (index, taken, nested, name, blocked) = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!((index, taken), (2, Ok(vec![0, 1])));
    assert_eq!(nested, Ok(Err(SyncError::Reentrant)));
    assert_eq!(name.as_deref(), Some("dirql/00:1f.0+2"));
    assert_eq!((blocked >> (libc::SIGALRM - 1)) & 1, 1);
    drop(vector);
}

#[test]
fn r26_without_a_routine_nothing_is_queued_and_the_index_decides() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, (), |(), event| {
        assert!(!event.defer());
        Handled::Yes
    });
    assert_eq!(vector.as_ref().unwrap().defer(), Ok(false));
    assert_eq!(interrupts.defer(0), Ok(false));
    assert_eq!(interrupts.defer(1), Err(SyncError::NotConnected));
    assert_eq!(interrupts.defer(4), Err(SyncError::InvalidVector));
    drop(vector);
    assert_eq!(interrupts.defer(0), Err(SyncError::NotConnected));
}

#[test]
fn r20_r26_a_deferred_call_unmasks_the_line_that_the_handler_kept_masked() {
    let (device, bus) = silent(|_| ());
    let line = bus.clone();
    let vector = device
        .interrupts(Mode::Intx)
        .unwrap()
        .vector(0, 0_u64)
        .deferred(move |call| {
            assert!(line.masked() && line.unmasks() == call.synchronize(|calls| *calls - 1).unwrap());
            if line.unmasks() == 2 {
                line.set_line(false);
            }
            call.unmask().unwrap();
        })
        .connect(|calls, event| {
            *calls += 1;
            event.defer();
            Handled::KeepMasked
        })
        .unwrap();
    bus.set_line(true);
    eventually("three calls, each unmasked by its deferred call", || bus.unmasks() == 3 && !bus.masked());
    assert_eq!(vector.disconnect().unwrap(), Some(3));
}

#[test]
fn r26_a_panic_in_a_deferred_call_is_told_and_the_next_one_runs() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let (sender, faults) = mpsc::channel();
    interrupts.on_fault(move |fault| {
        if let FaultKind::DeferredCallPanicked(words) = &fault.kind {
            sender.send(words.clone()).unwrap();
        }
    });
    let ran = Completion::new();
    let (again, mut times) = (ran.clone(), 0);
    let vector = interrupts
        .vector(0, ())
        .deferred(move |_| {
            times += 1;
            assert!(times > 1, "on purpose, the first time");
            again.complete();
        })
        .connect(|(), _| Handled::Yes)
        .unwrap();
    assert_eq!(vector.defer(), Ok(true));
    assert_eq!(faults.recv_timeout(PATIENCE).unwrap(), "on purpose, the first time");
    assert!(!vector.is_poisoned());
    assert_eq!(vector.defer(), Ok(true));
    assert!(ran.wait(PATIENCE));
}

#[test]
fn r27_a_disconnect_flushes_what_was_deferred_which_still_finds_the_state() {
    let (device, bus) = silent(|_| ());
    let (entered, leave) = (Completion::new(), Completion::new());
    let (told, gate) = (entered.clone(), leave.clone());
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, Vec::new())
        .deferred(move |call| {
            told.complete();
            assert!(gate.wait(PATIENCE));
            call.synchronize(|seen: &mut Vec<_>| seen.push("deferred")).unwrap();
        })
        .connect(|seen, event| {
            seen.push("handled");
            event.defer();
            Handled::Yes
        })
        .unwrap();
    bus.message(0);
    assert!(entered.wait(PATIENCE));
    let vector = Arc::new(vector);
    let other = vector.clone();
    let disconnect = std::thread::spawn(move || other.disconnect());
    eventually("it is disconnecting", || vector.synchronize(|_| ()) == Err(SyncError::Disconnecting));
    assert_eq!(vector.defer(), Err(SyncError::Disconnecting));
    leave.complete();
    assert_eq!(disconnect.join().unwrap(), Ok(Some(vec!["handled", "deferred"])));
}

#[test]
fn r27_from_the_own_deferred_call_it_is_done_after_that_returns() {
    let (device, _bus) = silent(|_| ());
    let slot: Arc<OnceLock<Vector<u32>>> = Arc::default();
    let own = slot.clone();
    let (sender, receiver) = mpsc::channel();
    let vector = device
        .interrupts(Mode::Msi)
        .unwrap()
        .vector(0, 7)
        .deferred(move |_| sender.send(own.get().map(Vector::disconnect)).unwrap())
        .connect(|_, _| Handled::Yes);
    slot.set(vector.unwrap()).unwrap();
    let vector = slot.get().unwrap();
    assert_eq!(vector.defer(), Ok(true));
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Some(Ok(None)));
    eventually("it is over", || vector.synchronize(|_| ()) == Err(SyncError::NotConnected));
    assert_eq!(vector.disconnect(), Ok(Some(7)));
}

#[test]
fn r12_deferred_calls_stand_below_the_vectors_and_wait_for_each_other_only_upward() {
    let (device, _bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let connect = |interrupts: &mut dirql::interrupt::Interrupts, index| {
        Arc::new(interrupts.connect(index, index, |_, _| Handled::Yes).unwrap())
    };
    let (below, above) = (connect(&mut interrupts, 0), connect(&mut interrupts, 3));
    let (lower, upper) = (below.clone(), above.clone());
    let (sender, receiver) = mpsc::channel();
    let middle = interrupts
        .vector(1, ())
        .deferred(move |_| {
            let entered = (lower.synchronize(|index| *index), upper.synchronize(|index| *index));
            sender.send((entered, lower.disconnect(), upper.disconnect())).unwrap();
        })
        .connect(|(), _| Handled::Yes)
        .unwrap();
    assert_eq!(middle.defer(), Ok(true));
    let (entered, down, up) = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(entered, (Ok(0), Ok(3)), "a deferred call enters every vector");
    assert_eq!((down, up), (Err(SyncError::LockOrder), Ok(Some(3))));
    returns("the rest", move || drop((middle, below, above)));
}
