//! `VideoPortSynchronizeExecution`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dirql::ErrorKind;
use dirql::ddi::video_port::{Adapter, synchronize_execution};
use dirql::interrupt::{Event, Handled, Mode, Priority};
use dirql::synchronize::{Completion, SyncError};

use crate::shared::{ROUNDS, Shared, exclusion, handler, routine};
use crate::support::{PATIENCE, blocked_signals, silent};

#[test]
fn r4_video_port_only_one_of_callback_and_interrupt_updates_what_they_share() {
    for priority in [Priority::Medium, Priority::High] {
        let (device, bus) = silent(|_| ());
        let mut adapter = Adapter::new(device.interrupts(Mode::Msi).unwrap());
        let (shared, witness) = Shared::new();
        adapter.connect(shared, handler).unwrap();
        let callback =
            |extension: Option<&mut Shared>, handled: &mut u64| routine(extension.unwrap(), handled);
        let synchronize = |handled: &mut u64| synchronize_execution(&adapter, priority, handled, callback);
        exclusion(&witness, || bus.message(0), synchronize);
    }
}

#[test]
fn r9_video_port_low_is_undisturbed_but_serialized_with_nothing() {
    let (device, bus) = silent(|_| ());
    let mut adapter = Adapter::new(device.interrupts(Mode::Msi).unwrap());
    let (inside, leave) = (Completion::new(), Completion::new());
    let (told, gate) = (inside.clone(), leave.clone());
    let running = Arc::new(AtomicBool::new(false));
    let runs = running.clone();
    let interrupt = move |(): &mut (), _: Event<'_>| {
        runs.store(true, Ordering::SeqCst);
        told.complete();
        assert!(gate.wait(PATIENCE));
        runs.store(false, Ordering::SeqCst);
        Handled::Yes
    };
    adapter.connect((), interrupt).unwrap();
    bus.message(0);
    assert!(inside.wait(PATIENCE));
    let before = blocked_signals();
    let low = |extension: Option<&mut ()>, blocked: &mut u64| {
        *blocked = blocked_signals();
        extension.is_none() && running.load(Ordering::SeqCst)
    };
    let mut blocked = 0;
    // The handler is running, and goes on until it is let go.
    assert_eq!(synchronize_execution(&adapter, Priority::Low, &mut blocked, low), Ok(true));
    assert_eq!((blocked >> (libc::SIGALRM - 1)) & 1, 1);
    assert_eq!(blocked_signals(), before);
    std::thread::scope(|scope| {
        let waits = [Priority::Medium, Priority::High].map(|priority| {
            let (adapter, running) = (&adapter, &running);
            scope.spawn(move || {
                let still = |extension: Option<&mut ()>, still: &mut bool| {
                    *still = running.load(Ordering::SeqCst);
                    extension.is_some()
                };
                let mut overlapped = true;
                let outcome = synchronize_execution(adapter, priority, &mut overlapped, still);
                (outcome, overlapped)
            })
        });
        leave.complete();
        for wait in waits {
            assert_eq!(wait.join().unwrap(), (Ok(true), false));
        }
    });
}

#[test]
fn r9_video_port_is_for_adapters_without_interrupts_too() {
    let (device, _bus) = silent(|config| (config.intx, config.msi, config.msix) = (false, 0, 0));
    let (shared, witness) = Shared::new();
    let mut adapter = Adapter::without_interrupts(&device, shared).unwrap();
    for (priority, handed_out) in [(Priority::Low, false), (Priority::Medium, true), (Priority::High, true)] {
        for result in [false, true] {
            let callback = |extension: Option<&mut Shared>, undisturbed: &mut bool| {
                *undisturbed = (blocked_signals() >> (libc::SIGALRM - 1)) & 1 == 1;
                result && extension.is_some() == handed_out
            };
            let mut undisturbed = false;
            let outcome = synchronize_execution(&adapter, priority, &mut undisturbed, callback);
            assert_eq!((outcome, undisturbed), (Ok(result), true), "{priority:?}");
        }
    }
    // Callbacks on several threads don't meet.
    let callback = |extension: Option<&mut Shared>, handled: &mut u64| routine(extension.unwrap(), handled);
    std::thread::scope(|scope| {
        for priority in [Priority::Medium, Priority::High] {
            let adapter = &adapter;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    synchronize_execution(adapter, priority, &mut 0, callback).unwrap();
                }
            });
        }
    });
    assert_eq!(witness.overlaps.load(Ordering::SeqCst), 0);
    assert_eq!(witness.passed.load(Ordering::SeqCst), 2 * ROUNDS);
    let nested = |_: Option<&mut Shared>, inner: &mut Result<bool, SyncError>| {
        *inner = synchronize_execution(&adapter, Priority::High, &mut 0, callback);
        true
    };
    let mut inner = Ok(true);
    synchronize_execution(&adapter, Priority::Medium, &mut inner, nested).unwrap();
    assert_eq!(inner, Err(SyncError::Reentrant));
    let (shared, _witness) = Shared::new();
    assert_eq!(adapter.connect(shared, handler).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Adapter::without_interrupts(&device, ()).unwrap_err().kind(), ErrorKind::Busy);
}

#[test]
fn r9_video_port_merely_unconnected_is_told_and_never_runs() {
    let (device, _bus) = silent(|_| ());
    let mut adapter = Adapter::new(device.interrupts(Mode::Msi).unwrap());
    let run = |adapter: &Adapter<()>, priority| {
        let mut ran = false;
        let outcome = synchronize_execution(adapter, priority, &mut ran, |_, ran| {
            *ran = true;
            true
        });
        (outcome, ran)
    };
    let unconnected = |adapter: &Adapter<()>| {
        assert_eq!(run(adapter, Priority::Low), (Ok(true), true));
        assert_eq!(run(adapter, Priority::Medium), (Err(SyncError::NotConnected), false));
        assert_eq!(run(adapter, Priority::High), (Err(SyncError::NotConnected), false));
    };
    unconnected(&adapter);
    adapter.connect((), |(), _| Handled::Yes).unwrap();
    assert_eq!(run(&adapter, Priority::High), (Ok(true), true));
    adapter.interrupt().unwrap().disconnect().unwrap();
    unconnected(&adapter);
}
