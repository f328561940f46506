//! `DxgkCbSynchronizeExecution`.

use std::sync::mpsc;

use dirql::ErrorKind;
use dirql::ddi::dxgk::{DeviceHandle, Status, synchronize_execution};
use dirql::interrupt::{Deferral, Event, Handled, Mode};
use dirql::synchronize::SyncError;

use crate::shared::{Shared, exclusion, handler, routine};
use crate::support::{PATIENCE, silent};

#[test]
fn r4_dxgk_the_routine_is_serialized_with_the_handler_of_its_message() {
    let (device, bus) = silent(|_| ());
    let mut handle = DeviceHandle::new(device.interrupts(Mode::Msix).unwrap());
    let witnesses: Vec<_> = (0..2)
        .map(|number| {
            let (shared, witness) = Shared::new();
            handle.connect(number, shared, handler, |_| ()).unwrap();
            witness
        })
        .collect();
    for (number, witness) in (0..).zip(&witnesses) {
        let synchronize = |handled: &mut u64| synchronize_execution(&handle, routine, handled, number);
        exclusion(witness, || bus.message(number), synchronize);
    }
}

#[test]
fn r3_dxgk_the_message_number_and_both_channels_of_result() {
    const BEYOND: u32 = 1 << 16;
    for (mode, count) in [(Mode::Intx, 1), (Mode::Msi, 4), (Mode::Msix, 5)] {
        let (device, _bus) = silent(|_| ());
        let mut handle = DeviceHandle::new(device.interrupts(mode).unwrap());
        let refused = |handle: &DeviceHandle<u32>, number| {
            let outcome = synchronize_execution(handle, |_, (): &mut ()| panic!("ran"), &mut (), number);
            (Status::of(&outcome), outcome)
        };
        // The last message has a handler, the others have none yet.
        handle.connect(count - 1, 7, |_, _| Handled::Yes, |_| ()).unwrap();
        for number in 0..count - 1 {
            assert_eq!(refused(&handle, number), (Status::Unsuccessful, Err(SyncError::NotConnected)));
        }
        for number in [count, BEYOND, BEYOND + count - 1, u32::MAX] {
            let expected = (Status::InvalidParameter, Err(SyncError::InvalidVector));
            assert_eq!(refused(&handle, number), expected, "{mode} {number}");
            let error = handle.connect(number, 7, |_, _| Handled::Yes, |_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        for answer in [true, false] {
            let routine = |state: &mut u32, context: &mut u32| {
                *context += *state;
                answer
            };
            let mut context = 1;
            let outcome = synchronize_execution(&handle, routine, &mut context, count - 1);
            assert_eq!((Status::of(&outcome), outcome, context), (Status::Success, Ok(answer), 8));
        }
        // A bad argument is told before a bad state: here every message is disconnected.
        assert_eq!(handle.message(count - 1).unwrap().disconnect(), Ok(Some(7)));
        assert_eq!(refused(&handle, count - 1).0, Status::Unsuccessful);
        assert_eq!(refused(&handle, count).0, Status::InvalidParameter);
    }
    assert_eq!(Status::InvalidParameter as u32, 0xc000_000d);
}

#[test]
fn r26_dxgk_the_interrupt_routine_queues_the_dpc_routine_of_its_message() {
    let (device, bus) = silent(|_| ());
    let mut handle = DeviceHandle::new(device.interrupts(Mode::Msi).unwrap());
    let (sender, receiver) = mpsc::channel();
    let count = |calls: &mut u64, event: Event<'_>| {
        *calls += event.count;
        event.defer();
        Handled::Yes
    };
    let dpc = move |call: &Deferral<'_, u64>| {
        sender.send((call.index(), call.synchronize(std::mem::take))).unwrap();
    };
    handle.connect(3, 0, count, dpc).unwrap();
    bus.message(3);
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), (3, Ok(1)));
}
