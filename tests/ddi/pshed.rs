//! `PshedSynchronizeExecution`.

use std::sync::{Arc, OnceLock, mpsc};

use dirql::ErrorKind;
use dirql::ddi::{ke, pshed::synchronize_execution};
use dirql::interrupt::{ErrorEvent, ErrorSource, Handled, Mode};
use dirql::synchronize::SyncError;

use crate::shared::{Shared, exclusion, routine};
use crate::support::{PATIENCE, silent};

#[test]
fn r4_r29_pshed_the_routine_is_serialized_with_the_handler_of_errors() {
    let (device, bus) = silent(|config| config.error = true);
    let (shared, witness) = Shared::new();
    let handler = |shared: &mut Shared, event: ErrorEvent| {
        shared.witness.pass();
        shared.handled += event.count;
    };
    let source = device.error_source(shared, handler).unwrap();
    let synchronize = |handled: &mut u64| synchronize_execution(&source, routine, handled);
    exclusion(&witness, || bus.raise_error(), synchronize);
}

#[test]
fn r29_pshed_it_is_the_error_handler_and_no_vector_that_stands_still() {
    let (device, bus) = silent(|config| config.error = true);
    let (sender, handled) = mpsc::channel();
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(3, (), move |(), _| {
        sender.send(()).unwrap();
        Handled::Yes
    });
    let vector = vector.unwrap();
    let (sender, reported) = mpsc::channel();
    let source = device.error_source(0_u64, move |count, event| {
        *count += event.count;
        sender.send(*count).unwrap();
    });
    let source = source.unwrap();
    let waits = |count: &mut u64, in_vector: &mut Result<bool, SyncError>| {
        bus.raise_error();
        bus.message(3);
        handled.recv_timeout(PATIENCE).unwrap();
        *in_vector = ke::synchronize_execution(&vector, |(), (): &mut ()| true, &mut ());
        *count == 0 && reported.try_recv().is_err()
    };
    let mut in_vector = Ok(true);
    assert_eq!(synchronize_execution(&source, waits, &mut in_vector), Ok(true));
    // In lock order errors come after all vectors.
    assert_eq!(in_vector, Err(SyncError::LockOrder));
    assert_eq!(reported.recv_timeout(PATIENCE), Ok(1));
    let from_vector = |(): &mut (), seen: &mut u64| {
        let look = |count: &mut u64, seen: &mut u64| {
            *seen = *count;
            true
        };
        synchronize_execution(&source, look, seen) == Ok(true)
    };
    let mut seen = 0;
    assert_eq!((ke::synchronize_execution(&vector, from_vector, &mut seen), seen), (Ok(true), 1));
}

#[test]
fn r1_r6_pshed_both_booleans_come_back_and_a_refusal_is_neither() {
    let (device, bus) = silent(|config| config.error = true);
    let cell: Arc<OnceLock<ErrorSource<u32>>> = Arc::default();
    let (own, (sender, receiver)) = (cell.clone(), mpsc::channel());
    let answer = |state: &mut u32, context: &mut u32| {
        std::mem::swap(state, context);
        *state > *context
    };
    let connected = device.error_source(7, move |_, event| {
        let mut context = 0;
        let inside = synchronize_execution(own.get().unwrap(), answer, &mut context);
        sender.send((event.count, inside, context)).unwrap();
    });
    cell.set(connected.unwrap()).unwrap();
    let source = cell.get().unwrap();
    let mut context = 8;
    assert_eq!((synchronize_execution(source, answer, &mut context), context), (Ok(true), 7));
    assert_eq!((synchronize_execution(source, answer, &mut context), context), (Ok(false), 8));
    bus.raise_error();
    let inside = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(inside, (1, Err(SyncError::Reentrant), 0));
    assert_eq!(source.disconnect(), Ok(Some(7)));
    assert_eq!(
        (synchronize_execution(source, answer, &mut context), context),
        (Err(SyncError::NotConnected), 8)
    );
    let (without, _bus) = silent(|_| ());
    assert_eq!(without.error_source((), |(), _| ()).unwrap_err().kind(), ErrorKind::Precondition);
}

#[test]
fn r29_pshed_once_the_device_is_gone_the_handler_has_the_last_word() {
    let (device, bus) = silent(|config| config.error = true);
    let (sender, receiver) = mpsc::channel();
    let source = device.error_source(0_u64, move |count, event| {
        *count += event.count;
        sender.send(event.device_is_gone).unwrap();
    });
    let source = source.unwrap();
    let reset = |count: &mut u64, (): &mut ()| std::mem::take(count) == 1;
    bus.raise_error();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(false));
    assert_eq!(synchronize_execution(&source, reset, &mut ()), Ok(true));
    bus.pull();
    bus.raise_error();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(synchronize_execution(&source, reset, &mut ()), Err(SyncError::DeviceGone));
    assert_eq!(source.disconnect(), Ok(Some(1)));
}
