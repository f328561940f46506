//! `cargo bench`: what a section costs, and what an interrupt costs, as ratios to the plainest thing that could do.
//!
//! The contenders of a row take turns, round by round, in one run; the figures are medians over the rounds. Absolute
//! times are this machine's at this moment; the ratio is what to look at.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dirql::Device;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::interrupt::{Handled, Mode, Vector};
use dirql::synchronize::{Protected, Rank, signals, synchronize_set};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EventFd};

const ROUNDS: usize = 101;

struct Silent;

impl Model for Silent {
    fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
    fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
}

fn silent() -> (Device, Bus) {
    let mut config = ModelConfig::new(0x1af4, 0x1110);
    config.msi = 1;
    let backend = ModelBackend::new(config, Silent);
    let bus = backend.bus();
    (Device::from_backend(backend).expect("a model opens"), bus)
}

fn counter(device: &Device) -> Vector<u64> {
    let mut interrupts = device.interrupts(Mode::Msi).expect("the model has MSI");
    interrupts.connect(0, 0, |_, _| Handled::Yes).expect("nothing is connected")
}

/// Nanoseconds for one of `count` calls.
fn each(count: u32, mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..count).for_each(|_| call());
    began.elapsed().as_nanos() as f64 / f64::from(count)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs both in turn and prints a row.
fn row(name: &str, against: &str, bar: &str, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) {
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (x, y) = if round % 2 == 0 {
            let x = ours();
            (x, theirs())
        } else {
            let y = theirs();
            (ours(), y)
        };
        a.push(x);
        b.push(y);
        ratios.push(x / y);
    }
    let (a, b, ratio) = (median(&mut a), median(&mut b), median(&mut ratios));
    println!("| {name} | {a:.1} ns | {against} | {b:.1} ns | **{ratio:.2}** | {bar} |");
}

fn uncontended() {
    const CALLS: u32 = 20_000;
    let (device, _bus) = silent();
    let vector = counter(&device);
    let mutex = Mutex::new(0_u64);
    let lock = || *black_box(&mutex).lock().expect("nobody panics") += 1;
    let section = || black_box(&vector).synchronize(|n| *n += 1).expect("connected");
    {
        let _masked = signals::mask_thread();
        row(
            "`synchronize`, masked thread",
            "`std::sync::Mutex`",
            "≤ 1.3",
            || each(CALLS, section),
            || each(CALLS, lock),
        );
        let reentrant = || {
            vector
                .synchronize(|_| each(CALLS, || assert!(black_box(vector.synchronize(|_| ())).is_err())))
                .expect("connected")
        };
        row("`Reentrant` refusal", "`std::sync::Mutex`", "≤ 5 ns", reentrant, || each(CALLS, lock));
    }
    let masked_lock = || {
        let (all, mut old) = (nix::sys::signal::SigSet::all(), nix::sys::signal::SigSet::empty());
        let how = nix::sys::signal::SigmaskHow::SIG_BLOCK;
        nix::sys::signal::pthread_sigmask(how, Some(&all), Some(&mut old)).expect("valid");
        lock();
        old.thread_set_mask().expect("valid");
    };
    const FEWER: u32 = 2_000;
    row(
        "`synchronize`, unmasked thread",
        "mask + mutex",
        "≤ 1.1",
        || each(FEWER, section),
        || each(FEWER, masked_lock),
    );
}

/// As many sections one after the other, and all of them at once.
fn set() {
    const MEMBERS: usize = 32;
    const CALLS: u32 = 1_000;
    let locks: Vec<Protected<u64>> = (0..MEMBERS).map(|_| Protected::new(Rank::next(), 0)).collect();
    let members: Vec<_> = locks.iter().map(Protected::member).collect();
    let _masked = signals::mask_thread();
    row(
        "a set of 32",
        "32 × `synchronize`",
        "≤ 1.2",
        || each(CALLS, || black_box(synchronize_set(black_box(&members), |_| ())).expect("free")),
        || {
            each(CALLS, || {
                black_box(&locks).iter().for_each(|lock| lock.synchronize(|n| *n += 1).expect("free"));
            })
        },
    );
}

/// `count` threads, as many sections as they can in a fixed time: nanoseconds a section.
fn by_threads(count: usize, section: impl Fn() + Sync) -> f64 {
    const TIME: Duration = Duration::from_millis(20);
    let over = AtomicBool::new(false);
    let work = || {
        let _masked = signals::mask_thread();
        let mut sections = 0_u64;
        while !over.load(Ordering::Relaxed) {
            (0..16).for_each(|_| section());
            sections += 16;
        }
        sections
    };
    let sections = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        std::thread::sleep(TIME);
        over.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("nobody panics")).sum::<u64>()
    });
    TIME.as_nanos() as f64 / sections as f64
}

fn contended() {
    let (device, _bus) = silent();
    let vector = counter(&device);
    let mutex = Mutex::new(0_u64);
    for threads in [2, 8] {
        row(
            &format!("`synchronize`, {threads} threads at once"),
            "`std::sync::Mutex`",
            "≤ 2.0",
            || by_threads(threads, || vector.synchronize(|n| *n += 1).expect("connected")),
            || by_threads(threads, || *mutex.lock().expect("nobody panics") += 1),
        );
    }
}

/// From the write of an eventfd to the code behind it, and back by a flag: nanoseconds a round trip.
fn delivery() {
    const INTERRUPTS: u32 = 200;
    let (device, bus) = silent();
    static SEEN: AtomicU64 = AtomicU64::new(0);
    static READ: AtomicU64 = AtomicU64::new(0);
    let mut interrupts = device.interrupts(Mode::Msi).expect("the model has MSI");
    let handler = |_: &mut (), event: dirql::interrupt::Event| {
        SEEN.fetch_add(event.count, Ordering::Release);
        Handled::Yes
    };
    let vector = interrupts.connect(0, (), handler).expect("nothing is connected");
    let eventfd = EventFd::new(EFD_CLOEXEC).expect("an eventfd");
    let reader = eventfd.try_clone().expect("an eventfd");
    let thread = std::thread::spawn(move || {
        while let Ok(count) = reader.read() {
            if count > u64::from(u32::MAX) {
                break;
            }
            READ.fetch_add(count, Ordering::Release);
        }
    });
    let until = |flag: &AtomicU64, raise: &dyn Fn()| {
        let mut sum = Duration::ZERO;
        for _ in 0..INTERRUPTS {
            // Long enough for the thread to be blocked in its read again.
            let calm = Instant::now();
            while calm.elapsed() < Duration::from_micros(50) {
                std::hint::spin_loop();
            }
            let before = flag.load(Ordering::Acquire);
            let began = Instant::now();
            raise();
            while flag.load(Ordering::Acquire) == before {
                std::hint::spin_loop();
            }
            sum += began.elapsed();
        }
        sum.as_nanos() as f64 / f64::from(INTERRUPTS)
    };
    row(
        "interrupt → handler",
        "bare blocking eventfd read",
        "≤ 1.05",
        || until(&SEEN, &|| bus.message(0)),
        || until(&READ, &|| eventfd.write(1).expect("room")),
    );
    eventfd.write(1 << 40).expect("room");
    thread.join().expect("the reader ends");
    drop(vector);
}

fn main() {
    println!("| what | median | against | median | ratio | bar |\n|---|---|---|---|---|---|");
    uncontended();
    set();
    contended();
    delivery();
}
