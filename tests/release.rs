//! The host wants its device back.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use dirql::backend::Window;
use dirql::backend::model::{Act, Bus};
use dirql::dma::DmaMask;
use dirql::interrupt::{Handled, Mode};
use dirql::region::Register;
use dirql::release::ReleaseRequest;
use dirql::synchronize::SyncError;
use dirql::{Code, Device, Error, ErrorKind};
use nix::errno::Errno;
use support::spy::Spy;
use support::{PATIENCE, eventually, returns, silent, silent_backend};

const ANY: Register<u32> = Register::new(0, "ANY");

#[track_caller]
fn is_gone<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.raw_errno()), (ErrorKind::Device, Some(Errno::ENODEV)), "{error}");
    assert!(error.is_gone() && error.kind().exit_code() == 7);
    assert_eq!(error.catalogue_code(), Some(Code::E13));
    assert!(error.to_string().contains("0000:00:1f.0") && error.to_string().contains("gone"), "{error}");
}

fn is_closed(bus: &Bus) -> bool {
    bus.acts().contains(&Act::Closed)
}

/// The threads of this process with such a name.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.filter(|comm| comm.trim_end() == name).count()
}

/// A device that nobody else has, by its address.
fn at(address: &str) -> (Device, Bus) {
    silent(|config| config.address = address.parse().unwrap())
}

#[test]
fn r29_a_request_is_counted_and_wakes_all_who_wait() {
    let (device, bus) = silent(|_| ());
    device.set_release_grace(PATIENCE * 10);
    let request = device.release_request();
    assert!(!request.is_wanted() && !request.wait(Duration::ZERO));
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let request = request.clone();
            std::thread::spawn(move || request.wait(PATIENCE))
        })
        .collect();
    bus.request_release();
    assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    assert!(request.is_wanted() && request.wait(Duration::ZERO) && device.release_request().is_wanted());
    eventually("it is counted", || request.requests() == Ok(1));
    // As the host does every ten seconds.
    bus.request_release();
    eventually("it is counted", || request.requests() == Ok(2));
    assert!(device.backend().is_ok(), "the grace is not over");
}

#[test]
fn r29_hooks_are_called_once_each_on_a_thread_of_their_own() {
    let (device, bus) = at("0000:00:1e.1");
    device.set_release_grace(PATIENCE * 10);
    let (sender, called) = mpsc::channel();
    let request = device.release_request();
    let tell = |what: &'static str| {
        let sender = sender.clone();
        move || sender.send((what, std::thread::current().name().map(str::to_owned))).unwrap()
    };
    request.on_request(tell("first")).unwrap();
    request.on_request(|| panic!("on purpose, in a hook")).unwrap();
    request.on_request(tell("second")).unwrap();
    bus.request_release();
    let own = Some("dirql/00:1e.1/hook".to_owned());
    assert_eq!(called.recv_timeout(PATIENCE).unwrap(), ("first", own.clone()));
    assert_eq!(called.recv_timeout(PATIENCE).unwrap(), ("second", own));
    bus.request_release();
    eventually("it is counted", || request.requests() == Ok(2));
    // Who comes late is called at once.
    request.on_request(tell("late")).unwrap();
    let here = std::thread::current().name().map(str::to_owned);
    assert_eq!(called.try_recv().unwrap(), ("late", here));
    assert!(called.try_recv().is_err());
}

#[test]
fn r29_a_program_that_lets_go_closes_its_device_itself() {
    let (device, bus) = silent(|config| config.resettable = true);
    device.set_bus_master(true).unwrap();
    let buffer = device.dma(DmaMask::FULL).buffer(64).unwrap();
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), |(), _| Handled::Yes).unwrap();
    let request = device.release_request();
    // The last owner may be the hook, on the thread that it is called on.
    let (sender, done) = mpsc::channel();
    let all = (vector, buffer, device);
    request
        .on_request(move || {
            drop(all);
            sender.send(()).unwrap();
        })
        .unwrap();
    bus.request_release();
    done.recv_timeout(PATIENCE).unwrap();
    let order = [Act::BusMaster(true), Act::Released, Act::BusMaster(false), Act::Reset, Act::Unmapped];
    assert_eq!(bus.acts(), order);
    // The request outlives the device, and says the same.
    assert!(request.is_wanted());
}

#[test]
fn r29_an_unanswered_request_revokes_the_device_in_order() {
    let (device, bus) = silent(|config| config.resettable = true);
    device.set_release_grace(Duration::from_millis(20));
    device.set_bus_master(true).unwrap();
    let dma = device.dma(DmaMask::FULL);
    let (mut buffer, lent) = (dma.buffer(64).unwrap(), dma.buffer(64).unwrap().lend());
    let (bar, config) = (device.bar(0).unwrap(), device.config());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    bus.request_release();
    eventually("it is revoked", || is_closed(&bus));
    let order =
        [Act::BusMaster(true), Act::Released, Act::BusMaster(false), Act::Reset, Act::Unmapped, Act::Closed];
    assert_eq!(bus.acts(), order);
    is_gone(bar.read(ANY));
    is_gone(bar.write(ANY, 1));
    is_gone(bar.wait_for(ANY, PATIENCE, |_| true));
    is_gone(device.bar(1));
    is_gone(config.read::<u16>(0));
    is_gone(config.write::<u16>(4, 0));
    is_gone(device.set_bus_master(true));
    is_gone(dma.buffer(64));
    is_gone(interrupts.fire(0));
    is_gone(device.reset());
    is_gone(device.backend());
    // The memory is still the program's, and only its.
    buffer.bytes_mut().fill(7);
    assert!(buffer.bytes().iter().all(|&byte| byte == 7) && bus.mappings() == 0);
    drop((lent.reclaim(), buffer, bar, config, dma));
    returns("dropping a vector", move || drop((vector, interrupts)));
    drop(device);
    assert_eq!(bus.acts(), order, "nothing is done twice");
}

#[test]
fn r29_revocation_lets_go_of_the_mapped_bars() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(8192).unwrap();
    let mut spy = Spy::on(silent_backend(|_| ()));
    spy.mappable = Some((Window { offset: 0, len: 8192 }, 8192));
    spy.file = Some(file);
    let (bus, mapped_at) = (spy.model.bus(), spy.mapped_at.clone());
    let device = Device::from_backend(spy).unwrap();
    device.set_release_grace(Duration::ZERO);
    let bar = device.bar(0).unwrap();
    bar.write(ANY, 1).unwrap();
    let at = mapped_at.load(Ordering::Acquire);
    let what_is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().find(|line| line.starts_with(&format!("{at:08x}-"))).unwrap().to_owned()
    };
    assert!(!what_is_mapped().contains("dirql-ones"));
    bus.request_release();
    eventually("it is revoked", || is_closed(&bus));
    assert!(what_is_mapped().contains("dirql-ones"), "{}", what_is_mapped());
    // An access that was under way when the device was taken ends.
    for offset in [0, 4096, 8184] {
        // SAFETY: `bar` keeps the mapping, and `offset` is an aligned one in it.
        let ones = unsafe { std::ptr::with_exposed_provenance::<u64>(at + offset).read_volatile() };
        assert_eq!(ones, u64::MAX);
    }
    is_gone(bar.read(ANY));
}

#[test]
fn r29_the_threads_are_masked_and_end_with_the_device() {
    let (device, bus) = at("0000:00:1e.2");
    let name = |comm: &str| comm.to_owned() + "\n";
    let find = |wanted: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks
            .map(|task| task.path())
            .find(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm == name(wanted)))
    };
    device.set_release_grace(PATIENCE * 10);
    eventually("it listens", || find("dirql/00:1e.2/r").is_some());
    bus.request_release();
    eventually("it sees to it", || find("dirql/00:1e.2/c").is_some());
    for thread in ["dirql/00:1e.2/r", "dirql/00:1e.2/c"] {
        let status = std::fs::read_to_string(find(thread).unwrap().join("status")).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
        assert_ne!(blocked >> (libc::SIGTERM - 1) & 1, 0, "{thread}");
        assert_eq!(blocked >> (libc::SIGBUS - 1) & 1, 0, "{thread}");
    }
    drop(device);
    // The kernel shows a thread that was joined a little longer.
    eventually("both end", || (threads("dirql/00:1e.2/r"), threads("dirql/00:1e.2/c")) == (0, 0));
}

#[test]
fn r29_a_function_without_the_source_is_never_asked_for() {
    let (device, bus) = silent(|config| {
        config.address = "0000:00:1e.3".parse().unwrap();
        config.request = false;
    });
    bus.request_release();
    assert!(!device.release_request().wait(Duration::from_millis(20)));
    assert_eq!(threads("dirql/00:1e.3/r"), 0);
}

#[test]
fn r29_request_and_last_drop_may_meet() {
    for round in 0..300_u64 {
        let (device, bus) = silent(|config| config.resettable = true);
        device.set_release_grace(Duration::ZERO);
        let vector = device.interrupts(Mode::Msi).unwrap().connect(0, (), |(), _| Handled::Yes).unwrap();
        let asking = bus.clone();
        let host = std::thread::spawn(move || asking.request_release());
        std::thread::sleep(Duration::from_micros(round % 30 * 10));
        returns("dropping", move || drop((vector, device)));
        host.join().unwrap();
        // Closed by the one or the other, once, and in order.
        eventually("it is reset", || bus.acts().contains(&Act::Reset));
        let acts = bus.acts();
        assert!(acts.iter().filter(|&&act| act == Act::Reset).count() == 1, "{acts:?}");
        assert!(acts.iter().filter(|&&act| act == Act::Released).count() == 1, "{acts:?}");
    }
}

#[test]
fn r29_the_control_thread_may_be_the_last_owner() {
    let mut spy = Spy::on(silent_backend(|config| config.address = "0000:00:1e.4".parse().unwrap()));
    let closing = Arc::new(Barrier::new(2));
    spy.closing = Some(closing.clone());
    let bus = spy.model.bus();
    let device = Device::from_backend(spy).unwrap();
    device.set_release_grace(Duration::ZERO);
    bus.request_release();
    closing.wait();
    drop(device);
    assert_eq!(threads("dirql/00:1e.4/c"), 1, "it is at it");
    let began = Instant::now();
    closing.wait();
    eventually("both end", || (threads("dirql/00:1e.4/r"), threads("dirql/00:1e.4/c")) == (0, 0));
    assert!(began.elapsed() < Duration::from_secs(9), "it waited in vain, for itself");
}

#[test]
fn r29_a_handler_that_uses_the_device_is_told() {
    let (device, bus) = silent(|_| ());
    device.set_release_grace(Duration::ZERO);
    let bar = device.bar(0).unwrap();
    let (entered, inside) = mpsc::channel();
    let (go_on, gate) = mpsc::channel::<()>();
    let handler = move |told: &mut Option<Error>, _: dirql::interrupt::Event| {
        entered.send(()).unwrap();
        gate.recv_timeout(PATIENCE).unwrap();
        *told = bar.read(ANY).err();
        Handled::Yes
    };
    let vector = device.interrupts(Mode::Msi).unwrap().connect(0, None, handler).unwrap();
    bus.message(0);
    inside.recv_timeout(PATIENCE).unwrap();
    bus.request_release();
    eventually("it is revoked", || is_closed(&bus));
    go_on.send(()).unwrap();
    let told = returns("disconnecting", move || vector.disconnect()).unwrap().unwrap().unwrap();
    is_gone(Err::<(), _>(told));
}

#[test]
fn r30_a_child_leaves_the_parents_request_source_alone() {
    let (device, bus) = silent(|_| ());
    device.set_release_grace(PATIENCE * 10);
    let request = device.release_request();
    // SAFETY: the child calls into dirql, whose locks nobody else holds now, and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let told = request.requests() == Err(SyncError::Forked)
                && request.on_request(|| ()) == Err(SyncError::Forked);
            drop((device, request));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if told { 0 } else { 1 }) };
        }
        child => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
    }
    assert!(!request.is_wanted());
    bus.request_release();
    assert!(request.wait(PATIENCE));
}

/// What is logged in this process of what went wrong, and of calls on a device that was closed already.
struct Complaints;
static COMPLAINTS: AtomicU64 = AtomicU64::new(0);

impl log::Log for Complaints {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if record.level() == log::Level::Error || text.contains("EBADF") {
            eprintln!("logged: {text}");
            COMPLAINTS.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// How a device goes.
#[derive(PartialEq)]
enum End {
    Revoked,
    LetGo,
    Pulled,
}

/// Opens a device and uses all of it until it goes.
fn one_life(end: &End) {
    let (device, bus) = silent(|config| config.resettable = true);
    device.set_release_grace(if *end == End::Revoked { Duration::ZERO } else { PATIENCE * 10 });
    let request: ReleaseRequest = device.release_request();
    device.set_bus_master(true).unwrap();
    let (bar, lent) = (device.bar(0).unwrap(), device.dma(DmaMask::FULL).buffer(4096).unwrap().lend());
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    if *end == End::Pulled {
        bus.pull();
        assert!(bar.wait_for(ANY, PATIENCE, |_| true).unwrap_err().is_gone());
    } else {
        bus.request_release();
        assert!(request.wait(PATIENCE));
    }
    if *end == End::Revoked {
        eventually("it is revoked", || is_closed(&bus));
    }
    drop((interrupts, device, lent, bar));
    drop(vector);
}

#[test]
fn r29_no_thread_no_descriptor_and_no_complaint_is_left() {
    // In a process of its own, whose threads and descriptors are all ours.
    const CHILD: &str = "DIRQL_TEST_FLAT";
    if std::env::var_os(CHILD).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let test = "r29_no_thread_no_descriptor_and_no_complaint_is_left";
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    log::set_logger(&Complaints).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    one_life(&End::Revoked);
    let before = (count("fd"), count("task"));
    for _ in 0..50 {
        [End::Revoked, End::LetGo, End::Pulled].iter().for_each(one_life);
    }
    eventually("all is as it was", || (count("fd"), count("task")) == before);
    assert_eq!(COMPLAINTS.load(Ordering::Relaxed), 0);
}
