//! R16 and R17: how the kernel schedules threads, and what a section makes of their priorities.

mod support;

#[path = "vm/probe/src/inversion.rs"]
#[allow(dead_code, reason = "the probe prints what it finds")]
mod inversion;

use std::io::Write;
use std::sync::mpsc;

use dirql::ErrorKind;
use dirql::interrupt::{Handled, Mode};
use dirql::synchronize::{Completion, Scheduling, SyncError};
use inversion::Outcome;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::gettid;
use support::{PATIENCE, eventually, silent};

#[allow(clippy::explicit_write, reason = "eprintln! is kept from the eye where a test passes")]
/// What a test needs and may not have here: said where it is seen, past what collects the output of tests.
fn not_tried(what: &str, error: &dirql::Error) {
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("fix: "), "{error}");
    writeln!(std::io::stderr(), "NOT TRIED HERE: {what}: {error}").unwrap();
}

#[test]
fn r16_an_urgent_waiter_lends_its_priority_to_who_holds_the_section() {
    let outcome = inversion::with_section();
    match outcome {
        Ok(outcome) => {
            assert_eq!(outcome, Outcome::Inherited);
            let control = inversion::with_mutex().unwrap();
            assert_eq!(control, Outcome::Inverted, "the scenario is none");
        }
        Err(error) => not_tried("priority inheritance", &error),
    }
}

/// A thread that waits until the sender is dropped, and its kernel id.
fn sleeper() -> (u32, mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let (wake, asleep) = mpsc::channel::<()>();
    let (tid, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        tid.send(gettid().as_raw().cast_unsigned()).unwrap();
        asleep.recv().unwrap_err();
    });
    (told.recv_timeout(PATIENCE).unwrap(), wake, thread)
}

#[test]
fn r17_a_thread_is_scheduled_as_told_and_says_so() {
    let (tid, wake, thread) = sleeper();
    let before = Scheduling::of(tid).unwrap();
    let cpus = before.allowed_cpus().unwrap().to_vec();
    assert_eq!(before.priority(), None);
    assert_eq!(cpus, Scheduling::of_this_thread().unwrap().allowed_cpus().unwrap());
    let last = *cpus.last().unwrap();
    Scheduling::new().apply_to(tid).unwrap();
    assert_eq!(Scheduling::of(tid).unwrap(), before, "nothing was named");
    Scheduling::new().cpus(&[last, last]).apply_to(tid).unwrap();
    assert_eq!(Scheduling::of(tid).unwrap(), Scheduling::new().cpus(&[last]));
    match Scheduling::new().fifo(7).apply_to(tid) {
        Ok(()) => {
            assert_eq!(Scheduling::of(tid).unwrap(), Scheduling::new().cpus(&[last]).fifo(7));
            Scheduling::new().fifo(8).cpus(&cpus).apply_to(tid).unwrap();
            assert_eq!(Scheduling::of(tid).unwrap(), Scheduling::new().cpus(&cpus).fifo(8));
        }
        Err(error) => not_tried("real-time priorities", &error),
    }
    let here = Scheduling::of_this_thread().unwrap();
    assert_eq!((here.priority(), here.allowed_cpus()), (None, Some(&cpus[..])), "another thread's");
    drop(wake);
    thread.join().unwrap();
}

#[test]
fn r17_what_cannot_be_is_refused_and_nothing_is_applied() {
    let (tid, wake, thread) = sleeper();
    let before = Scheduling::of(tid).unwrap();
    let cpu = before.allowed_cpus().unwrap()[0];
    for (wrong, words) in [
        (Scheduling::new().fifo(0).cpus(&[cpu]), "0 is not one of 1 to 99"),
        (Scheduling::new().fifo(100).cpus(&[cpu]), "100 is not one of 1 to 99"),
        (Scheduling::new().fifo(9).cpus(&[]), "none are named"),
        (Scheduling::new().fifo(9).cpus(&[cpu, 8191]), "processor 8191 does not run; these do: "),
        (Scheduling::new().fifo(9).cpus(&[usize::MAX]), "does not run"),
    ] {
        let error = wrong.apply_to(tid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(Scheduling::of(tid).unwrap(), before);
    }
    // To the kernel, 0 is whoever asks.
    for nobody in [0, u32::MAX] {
        assert_eq!(Scheduling::new().apply_to(nobody).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Scheduling::of(nobody).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    drop(wake);
    thread.join().unwrap();
    // Beyond what the kernel numbers threads with.
    let gone = 1 << 30;
    let told = Scheduling::new().cpus(&[cpu]).apply_to(gone).unwrap_err();
    assert_eq!((told.kind(), told.raw_errno()), (ErrorKind::NotFound, Some(nix::errno::Errno::ESRCH)));
    assert_eq!(Scheduling::of(gone).unwrap_err().kind(), ErrorKind::NotFound);
}

/// Without the right, the refusal names the limit and what to do: as a user who may not.
#[test]
fn r17_a_process_that_may_not_is_told_its_limit() {
    if !nix::unistd::geteuid().is_root() {
        let error =
            dirql::Error::new(ErrorKind::Permission, "giving up the rights of root").fix("run it as root");
        return not_tried("a refusal", &error);
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_RTPRIO).unwrap();
    let soft = soft.min(3);
    setrlimit(Resource::RLIMIT_RTPRIO, soft, hard).unwrap();
    let thread = std::thread::spawn(|| {
        // SAFETY: the raw system call, so that only this thread gives up what root may.
        let answer = unsafe { libc::syscall(libc::SYS_setuid, 65534) };
        assert_eq!(answer, 0);
        Scheduling::new().fifo(50).apply_to_this_thread().unwrap_err()
    });
    let error = thread.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Permission);
    let text = error.to_string();
    assert!(text.contains("EPERM") && text.contains(&format!("is {soft}, 50 is wanted")), "{text}");
    assert!(text.contains("ulimit -r 50"), "{text}");
}

/// What the kernel says of the thread of this name, once that runs.
fn scheduling_of(name: &str) -> Scheduling {
    let mut found = None;
    eventually(name, || {
        found = std::fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap).find(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        });
        found.is_some()
    });
    Scheduling::of(found.unwrap().file_name().to_str().unwrap().parse().unwrap()).unwrap()
}

#[test]
fn r17_a_vectors_thread_is_scheduled_as_asked_for() {
    let (device, bus) = silent(|config| config.address = "0000:00:1c.0".parse().unwrap());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let cpu = Scheduling::of_this_thread().unwrap().allowed_cpus().unwrap()[0];
    let called = Completion::new();
    let told = called.clone();
    let vector = interrupts.vector(0, ()).scheduling(Scheduling::new().cpus(&[cpu])).connect(move |(), _| {
        told.complete();
        Handled::Yes
    });
    let there = scheduling_of("dirql/00:1c.0/0");
    assert_eq!((there.priority(), there.allowed_cpus()), (None, Some(&[cpu][..])));
    bus.message(0);
    assert!(called.wait(PATIENCE));
    drop(vector);
    let refused =
        interrupts.vector(1, ()).scheduling(Scheduling::new().fifo(100)).connect(|(), _| Handled::Yes);
    let error = refused.unwrap_err();
    assert!(error.to_string().contains("0000:00:1c.0"), "{error}");
    // What was refused is not connected.
    assert_eq!(interrupts.synchronize(1, || ()), Err(SyncError::NotConnected));
    drop(interrupts.connect(1, (), |(), _| Handled::Yes).unwrap());
}

#[test]
fn r11_r17_all_threads_of_a_group_run_at_its_ceiling() {
    let (device, _bus) = silent(|config| config.address = "0000:00:1d.0".parse().unwrap());
    let mut interrupts = device.interrupts(Mode::Msix).unwrap();
    let group = interrupts.group(&[0, 1, 2], ()).unwrap();
    let mut vectors = Vec::new();
    let mut connect = |index, priority: Option<u8>| -> dirql::Result<()> {
        let builder = interrupts.vector_in(&group, index);
        let builder = match priority {
            Some(priority) => builder.scheduling(Scheduling::new().fifo(priority)),
            None => builder,
        };
        vectors.push(builder.connect(|(), _| Handled::Yes)?);
        Ok(())
    };
    let priorities = |of: &[u16]| -> Vec<_> {
        of.iter().map(|index| scheduling_of(&format!("dirql/00:1d.0/{index}")).priority()).collect()
    };
    connect(1, None).unwrap();
    if let Err(error) = connect(0, Some(3)) {
        return not_tried("the ceiling of a group", &error);
    }
    assert_eq!(priorities(&[0, 1]), [Some(3), Some(3)]);
    connect(2, Some(2)).unwrap();
    assert_eq!(priorities(&[0, 1, 2]), [Some(3); 3], "one below the ceiling is raised to it");
    // A vector on its own is left alone.
    let alone = interrupts.connect(4, (), |(), _| Handled::Yes).unwrap();
    assert_eq!(priorities(&[4]), [None]);
    drop((alone, vectors));
}
