//! Devices that vanish under their driver.

mod support;

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use dirql::backend::Window;
use dirql::dma::DmaMask;
use dirql::interrupt::{Handled, Mode};
use dirql::region::{Bar, Register};
use dirql::synchronize::SyncError;
use dirql::{Code, Device, Error, ErrorKind};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use support::spy::Spy;
use support::{PATIENCE, eventually, silent, silent_backend};

const PAGE: usize = 4096;
const PAGES: usize = 4;
const FIRST: Register<u32> = Register::new(0, "FIRST");
const SECOND: Register<u64> = Register::new(PAGE as u64 + 8, "SECOND");

/// A device whose BAR 0 is mapped from a file: what is cut off the file faults.
struct Removable {
    device: Device,
    bar: Bar,
    file: File,
    mapped_at: Arc<AtomicUsize>,
}

impl Removable {
    fn new() -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len((PAGE * PAGES) as u64).unwrap();
        let mut spy = Spy::on(silent_backend(|_| ()));
        spy.mappable = Some((Window { offset: 0, len: (PAGE * PAGES) as u64 }, PAGE * PAGES));
        spy.file = Some(file.try_clone().unwrap());
        let mapped_at = spy.mapped_at.clone();
        let device = Device::from_backend(spy).unwrap();
        let bar = device.bar(0).unwrap();
        Self { device, bar, file, mapped_at }
    }

    fn remove(&self) {
        self.file.set_len(0).unwrap();
    }

    /// What an access without [`Bar`] in between reads.
    fn raw(&self, offset: usize) -> u64 {
        let at = self.mapped_at.load(Ordering::Acquire) + offset;
        // SAFETY: `bar` keeps the mapping, and `offset` is an aligned one in it.
        unsafe { std::ptr::with_exposed_provenance::<u64>(at).read_volatile() }
    }
}

#[track_caller]
fn is_gone<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.raw_errno()), (ErrorKind::Device, Some(Errno::ENODEV)), "{error}");
    assert_eq!(error.catalogue_code(), Some(Code::E12));
    assert!(error.to_string().contains("0000:00:1f.0") && error.to_string().contains("gone"), "{error}");
}

#[test]
fn r2_the_access_that_faults_reads_all_ones() {
    let removable = Removable::new();
    removable.bar.write(SECOND, 0x1234).unwrap();
    assert_eq!(removable.raw(PAGE + 8), 0x1234);
    removable.remove();
    assert_eq!(removable.raw(PAGE + 8), u64::MAX);
    // The page stays; the next one is another fault.
    assert_eq!((removable.raw(PAGE), removable.raw(2 * PAGE)), (u64::MAX, u64::MAX));
    is_gone(removable.bar.read(SECOND));
}

#[test]
fn r2_every_call_says_that_the_device_is_gone() {
    for by_writing in [false, true] {
        let removable = Removable::new();
        let Removable { device, bar, .. } = &removable;
        assert_eq!(bar.read(FIRST).unwrap(), 0);
        removable.remove();
        // The very access that finds out, and then all others.
        if by_writing {
            is_gone(bar.write(FIRST, 1));
        } else {
            is_gone(bar.read(FIRST));
        }
        is_gone(bar.read(FIRST));
        is_gone(bar.write(SECOND, 1));
        is_gone(bar.wait_for(FIRST, PATIENCE, |_| false));
        is_gone(device.bar(1));
        is_gone(device.config().read::<u16>(0));
        is_gone(device.config().write::<u16>(4, 0));
        is_gone(device.config().snapshot());
        is_gone(device.set_bus_master(true));
        is_gone(device.dma(DmaMask::FULL).buffer(64));
        is_gone(device.interrupts(Mode::Msi));
        is_gone(device.reset());
        is_gone(device.backend());
    }
}

#[test]
fn r2_waiting_for_a_register_ends_when_the_device_is_gone() {
    let removable = Removable::new();
    let mut looks = 0;
    let told = removable.bar.wait_for(FIRST, Duration::MAX, |_| {
        looks += 1;
        if looks == 3 {
            removable.remove();
        }
        false
    });
    is_gone(told);
    assert_eq!(looks, 3);
}

#[test]
fn r2_waiting_for_a_device_that_was_pulled_ends_though_nothing_faults() {
    let backend = silent_backend(|_| ());
    let bus = backend.bus();
    let device = Device::from_backend(backend).unwrap();
    let bar = device.bar(0).unwrap();
    let mut looks = 0;
    // All ones would satisfy whoever waits for a bit.
    let told = bar.wait_for(FIRST, Duration::MAX, |value| {
        looks += 1;
        if looks == 3 {
            bus.pull();
        }
        value != 0
    });
    is_gone(told);
    is_gone(bar.read(FIRST));
}

#[test]
fn r2_one_device_that_vanishes_leaves_the_others() {
    let (vanishing, staying) = (Removable::new(), Removable::new());
    vanishing.remove();
    is_gone(vanishing.bar.read(FIRST));
    staying.bar.write(FIRST, 7).unwrap();
    assert_eq!(staying.bar.read(FIRST).unwrap(), 7);
    // And so does the next one, at the address of the first, maybe.
    drop(vanishing);
    let next = Removable::new();
    assert_eq!(next.bar.read(FIRST).unwrap(), 0);
}

#[test]
fn r15_a_fault_inside_a_section_reaches_its_handler() {
    let removable = Removable::new();
    let mut interrupts = removable.device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, removable.bar.clone(), |_, _| Handled::Yes).unwrap();
    removable.remove();
    is_gone(vector.synchronize(|bar| bar.read(FIRST)).unwrap());
    assert!(!vector.is_poisoned());
}

#[test]
fn r2_many_threads_may_fault_at_once() {
    for _ in 0..50 {
        let removable = Removable::new();
        removable.remove();
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (bar, barrier) = (&removable.bar, &barrier);
                scope.spawn(move || {
                    let register = Register::<u32>::new((thread % PAGES * PAGE) as u64, "ANY");
                    barrier.wait();
                    if thread < PAGES { is_gone(bar.read(register)) } else { is_gone(bar.write(register, 5)) }
                });
            }
        });
    }
}

/// Memory of no device, that faults.
fn faulty() -> MmapRaw {
    let file = tempfile::tempfile().unwrap();
    MmapOptions::new().len(PAGE).map_raw(&file).unwrap()
}

/// Sets what happens on SIGBUS, as a program might do before it opens its device.
fn on_sigbus(action: usize, flags: libc::c_int) {
    // SAFETY: all zeros are a valid, empty action.
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    (new.sa_sigaction, new.sa_flags) = (action, flags);
    // SAFETY: `new` is valid for the call, and its handler makes only async-signal-safe calls.
    assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, &raw const new, std::ptr::null_mut()) }, 0);
}

extern "C" fn exit_42(_: libc::c_int) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(42) }
}

extern "C" fn exit_43(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's siginfo is valid; it ends the process at once.
    unsafe { libc::_exit(if (*info).si_addr().is_null() { 44 } else { 43 }) }
}

/// What a child process does: its device has faulted and lives on, and then the SIGBUS is somebody else's.
fn child(case: &str) {
    match case {
        "own handler" => on_sigbus(exit_42 as *const () as usize, 0),
        "own handler with siginfo" => on_sigbus(exit_43 as *const () as usize, libc::SA_SIGINFO),
        "ignored, sent" | "ignored, faulted" => on_sigbus(libc::SIG_IGN, 0),
        "default, sent" | "default, faulted" => on_sigbus(libc::SIG_DFL, 0),
        _ => {}
    }
    let removable = Removable::new();
    removable.remove();
    is_gone(removable.bar.read(FIRST));
    if case.ends_with("sent") {
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGBUS).unwrap();
    } else {
        // SAFETY: the mapping lives; that it faults is the point.
        unsafe { faulty().as_ptr().read_volatile() };
    }
    std::process::exit(7);
}

#[test]
fn a_fault_elsewhere_is_none_of_ours() {
    const CASE: &str = "DIRQL_TEST_SIGBUS";
    if let Ok(case) = std::env::var(CASE) {
        return child(&case);
    }
    let run = |case: &str| -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_fault_elsewhere_is_none_of_ours", "--test-threads=1"]);
        command.env(CASE, case).output().unwrap().status
    };
    for case in ["as it comes", "default, sent", "default, faulted", "ignored, faulted"] {
        let status = run(case);
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{case}: {status}");
    }
    for (case, code) in [("own handler", 42), ("own handler with siginfo", 43), ("ignored, sent", 7)] {
        let status = run(case);
        assert_eq!(status.code(), Some(code), "{case}: {status}");
    }
}

#[test]
fn r29_a_device_is_found_gone_also_while_the_error_source_is_held_or_poisoned() {
    for poisoned in [false, true] {
        let (device, bus) = silent(|config| config.error = true);
        let errors = device.error_source((), |(), _| ()).unwrap();
        let vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), |(), _| Handled::Yes).unwrap();
        let is_told = || {
            bus.pull();
            bus.raise_error();
            let told = || vector.synchronize(|()| ()) == Err(SyncError::DeviceGone);
            std::thread::scope(|scope| {
                scope.spawn(|| eventually("it is gone", told));
            });
        };
        if poisoned {
            let panic = catch_unwind(AssertUnwindSafe(|| errors.synchronize(|()| panic!("on purpose"))));
            assert!(panic.is_err() && errors.is_poisoned());
            is_told();
        } else {
            errors.synchronize(|()| is_told()).unwrap();
        }
    }
}

#[test]
fn r29_that_the_device_is_gone_comes_before_a_section_that_is_held_or_poisoned() {
    let (device, bus) = silent(|config| config.error = true);
    let _errors = device.error_source((), |(), _| ()).unwrap();
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let mut connect = |index| interrupts.connect(index, (), |(), _| Handled::Yes).unwrap();
    let (held, poisoned, other) = (connect(0), connect(1), connect(2));
    let panic = catch_unwind(AssertUnwindSafe(|| poisoned.synchronize(|()| panic!("on purpose"))));
    assert!(panic.is_err() && poisoned.synchronize(|()| ()) == Err(SyncError::Poisoned));
    let told = held.synchronize(|()| {
        bus.pull();
        bus.raise_error();
        eventually("it is gone", || other.synchronize(|()| ()) == Err(SyncError::DeviceGone));
        std::thread::scope(|scope| {
            let calls = scope.spawn(|| {
                let soon = held.synchronize_timeout(Duration::from_millis(1), |()| ());
                [held.try_synchronize(|()| ()), soon, poisoned.synchronize(|()| ())]
            });
            calls.join().unwrap()
        })
    });
    assert_eq!(told, Ok([Err(SyncError::DeviceGone); 3]));
}
