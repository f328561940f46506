//! `NdisMSynchronizeWithInterruptEx`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use dirql::ErrorKind;
use dirql::ddi::ndis::{
    InterruptCharacteristics, deregister_interrupt_ex, register_interrupt_ex, synchronize_with_interrupt_ex,
};
use dirql::interrupt::{Event, Handled, Mode, NoInterrupts};
use dirql::synchronize::{Completion, SyncError};

use crate::shared::{Shared, exclusion, handler, routine};
use crate::support::{PATIENCE, returns, silent};

#[test]
fn r4_ndis_the_routine_is_serialized_with_the_handler_of_its_message() {
    let (device, bus) = silent(|_| ());
    let (mut shared, witnesses): (Vec<_>, Vec<_>) = (0..4).map(|_| Shared::new()).unzip();
    shared.reverse();
    let characteristics = InterruptCharacteristics::new(handler);
    let interrupt = register_interrupt_ex(device.interrupts(Mode::Msi).unwrap(), characteristics, |_| {
        shared.pop().unwrap()
    })
    .unwrap();
    for (id, witness) in [(0, &witnesses[0]), (3, &witnesses[3])] {
        let synchronize = |handled: &mut u64| synchronize_with_interrupt_ex(&interrupt, id, routine, handled);
        exclusion(witness, || bus.message(id), synchronize);
    }
}

#[test]
fn r3_ndis_a_message_id_selects_and_is_ignored_where_line_based() {
    for (mode, count) in [(Mode::Intx, 1), (Mode::Msi, 4), (Mode::Msix, 5)] {
        for all in [false, true] {
            let (device, _bus) = silent(|_| ());
            let characteristics =
                InterruptCharacteristics::new(|_: &mut u32, _| Handled::Yes).sync_with_all_messages(all);
            let interrupts = device.interrupts(mode).unwrap();
            let interrupt = register_interrupt_ex(interrupts, characteristics, |id| 100 + id).unwrap();
            assert_eq!(interrupt.messages().len(), count as usize);
            for id in [0, 1, count - 1, count, 1 << 16, u32::MAX] {
                for answer in [true, false] {
                    let routine = |context: &mut u32, seen: &mut u32| {
                        *seen = *context;
                        answer
                    };
                    let mut seen = 0;
                    let outcome = synchronize_with_interrupt_ex(&interrupt, id, routine, &mut seen);
                    let expected = match mode {
                        Mode::Intx => (Ok(answer), 100),
                        _ if id >= count => (Err(SyncError::InvalidVector), 0),
                        _ if all => (Ok(answer), 100),
                        _ => (Ok(answer), 100 + id),
                    };
                    assert_eq!((outcome, seen), expected, "{mode} {id} {all}");
                }
            }
        }
    }
}

#[test]
fn r11_ndis_one_lock_for_all_messages_where_asked() {
    let (device, bus) = silent(|config| config.msi = 2);
    let (shared, witness) = Shared::new();
    let mut shared = Some(shared);
    let characteristics = InterruptCharacteristics::new(handler).sync_with_all_messages(true);
    let interrupts = device.interrupts(Mode::Msi).unwrap();
    let interrupt = register_interrupt_ex(interrupts, characteristics, |_| shared.take().unwrap()).unwrap();
    let (fired, synchronized) = (AtomicU32::new(0), AtomicU32::new(0));
    let either = |turn: &AtomicU32| turn.fetch_add(1, Ordering::Relaxed) % 2;
    exclusion(
        &witness,
        || bus.message(either(&fired)),
        |handled| synchronize_with_interrupt_ex(&interrupt, either(&synchronized), routine, handled),
    );
    let [zero, one] = interrupt.messages() else { panic!("two messages") };
    assert!(zero.statistics().calls > 0 && one.statistics().calls > 0);
    // R6: the other message is another name of the lock.
    let nested = |_: &mut Shared, inner: &mut Result<bool, SyncError>| {
        *inner = synchronize_with_interrupt_ex(&interrupt, 1, routine, &mut 0);
        true
    };
    let mut inner = Ok(true);
    assert_eq!(synchronize_with_interrupt_ex(&interrupt, 0, nested, &mut inner), Ok(true));
    assert_eq!(inner, Err(SyncError::Reentrant));
}

#[test]
fn r11_ndis_handlers_of_two_messages_overlap_otherwise() {
    let (device, bus) = silent(|config| config.msi = 2);
    let arrived = [Completion::new(), Completion::new()];
    let (sender, receiver) = mpsc::channel();
    // Each waits in its handler for the other to be in its own.
    let characteristics = InterruptCharacteristics::new(move |(): &mut (), event: Event<'_>| {
        let me = usize::from(event.vector);
        arrived[me].complete();
        sender.send(arrived[1 - me].wait(PATIENCE)).unwrap();
        Handled::Yes
    });
    let interrupts = device.interrupts(Mode::Msi).unwrap();
    let _interrupt = register_interrupt_ex(interrupts, characteristics, |_| ()).unwrap();
    bus.message(0);
    bus.message(1);
    assert_eq!([receiver.recv(), receiver.recv()], [Ok(true), Ok(true)]);
}

#[test]
fn r26_r27_ndis_each_message_has_its_dpc_and_all_have_ended_with_the_deregistration() {
    let (device, bus) = silent(|_| ());
    let (began, leave) = (Completion::new(), Completion::new());
    let done = Arc::new(Mutex::new(Vec::new()));
    let (told, gate, list) = (began.clone(), leave.clone(), done.clone());
    let characteristics = InterruptCharacteristics::new(|interrupts: &mut u64, event: Event<'_>| {
        *interrupts += event.count;
        event.defer();
        Handled::Yes
    })
    .dpc_handler(move |call| {
        told.complete();
        assert!(gate.wait(PATIENCE));
        // Also while the messages are being deregistered.
        let interrupts = call.synchronize(std::mem::take);
        list.lock().unwrap().push((call.index(), interrupts));
    });
    let interrupts = device.interrupts(Mode::Msix).unwrap();
    let interrupt = register_interrupt_ex(interrupts, characteristics, |_| 0).unwrap();
    for id in [1, 4] {
        bus.message(id);
        assert!(began.wait(PATIENCE));
    }
    let deregistration = std::thread::spawn(move || deregister_interrupt_ex(interrupt));
    leave.complete();
    leave.complete();
    assert_eq!(returns("the deregistration", || deregistration.join().unwrap()), Ok(()));
    let mut done = std::mem::take(&mut *done.lock().unwrap());
    done.sort_unstable_by_key(|call| call.0);
    assert_eq!(done, [(1, Ok(1)), (4, Ok(1))]);
    assert!(!bus.messages_enabled());
}

#[test]
fn ndis_a_registration_is_of_all_messages_or_none() {
    let (device, bus) = silent(|_| ());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let taken = interrupts.connect(2, (), |(), _| Handled::Yes).unwrap();
    let characteristics = || InterruptCharacteristics::new(|_: &mut (), _| Handled::Yes);
    let error = register_interrupt_ex(interrupts, characteristics(), |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    // Nobody else keeps the messages enabled.
    assert!(bus.messages_enabled());
    drop(taken);
    assert!(!bus.messages_enabled());
    let none = device.interrupts(NoInterrupts).unwrap();
    let all = characteristics().sync_with_all_messages(true);
    assert_eq!(register_interrupt_ex(none, all, |_| ()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
