//! Sections that several threads want at once, and how long a handler waits among them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dirql::interrupt::Handled;
use dirql::synchronize::signals;

use crate::contest::{Bar, Contest, Row};
use crate::peer::Peer;
use crate::setup::{counter, silent};

pub fn run(contest: &mut Contest) {
    throughput(contest);
    starvation(contest);
}

/// Runs `during` while `count` masked threads run sections as fast as they can: how many they ran.
fn hammered(count: usize, section: impl Fn() + Sync, during: impl FnOnce()) -> u64 {
    let over = AtomicBool::new(false);
    let work = || {
        let _masked = signals::mask_thread();
        let mut sections = 0;
        while !over.load(Ordering::Relaxed) {
            (0..16).for_each(|_| section());
            sections += 16;
        }
        sections
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        during();
        over.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("nobody panics")).sum()
    })
}

/// Half the throughput is twice the time a section.
fn throughput(contest: &mut Contest) {
    const TIME: Duration = Duration::from_millis(20);
    let (mut interrupts, _bus) = silent(1);
    let vector = counter(&mut interrupts, 0);
    let mutex = Mutex::new(0_u64);
    for (threads, id, what) in [
        (2, "two-threads", "`synchronize`, 2 threads at once"),
        (8, "eight-threads", "`synchronize`, 8 threads at once"),
    ] {
        let by_threads = |section: &(dyn Fn() + Sync)| {
            let sections = hammered(threads, section, || std::thread::sleep(TIME));
            TIME.as_nanos() as f64 / sections as f64
        };
        contest.row(
            Row { id, what, against: "`std::sync::Mutex`", bar: Bar::Ratio(2.0) },
            || by_threads(&|| vector.synchronize(|n| *n += 1).expect("connected")),
            || by_threads(&|| *mutex.lock().expect("nobody panics") += 1),
        );
    }
}

/// From the write of an eventfd to the first line of what holds the lock.
struct Alarm {
    base: Instant,
    raised: AtomicU64,
    delay: AtomicU64,
}

impl Alarm {
    fn new() -> Arc<Self> {
        Arc::new(Self { base: Instant::now(), raised: AtomicU64::new(0), delay: AtomicU64::new(0) })
    }

    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    fn heard(&self) {
        let delay = self.now() - self.raised.load(Ordering::Acquire);
        self.delay.store(delay.max(1), Ordering::Release);
    }

    /// Raises it at a steady pace, each time once the one before was heard: the delays, ascending.
    fn delays(&self, fire: &dyn Fn()) -> Vec<u64> {
        const PACE: Duration = Duration::from_micros(200);
        let mut delays: Vec<u64> = (0..100)
            .map(|_| {
                std::thread::sleep(PACE);
                self.raised.store(self.now(), Ordering::Release);
                fire();
                loop {
                    match self.delay.swap(0, Ordering::Acquire) {
                        0 => std::thread::sleep(PACE / 10),
                        delay => return delay,
                    }
                }
            })
            .collect();
        delays.sort_unstable();
        delays
    }
}

/// A handler among two threads that want its lock all the time.
fn starvation(contest: &mut Contest) {
    let (mut interrupts, bus) = silent(1);
    let (alarm, plain) = (Alarm::new(), Alarm::new());
    let heard = alarm.clone();
    let vector = interrupts.connect(0, 0_u64, move |_, _| {
        heard.heard();
        Handled::Yes
    });
    let vector = vector.expect("nothing is connected");
    let mutex = Arc::new(Mutex::new(0_u64));
    let (locked, heard) = (mutex.clone(), plain.clone());
    let peer = Peer::blocked(move || {
        let _locked = locked.lock().expect("nobody panics");
        heard.heard();
    });
    for (back, id, what) in [
        (2, "handler-p99", "handler among 2 threads in sections, delay of the 99th of 100"),
        (1, "handler-worst", "the same, worst of 100"),
    ] {
        let late = |alarm: &Alarm, section: &(dyn Fn() + Sync), fire: &dyn Fn()| {
            let mut delays = Vec::new();
            hammered(2, section, || delays = alarm.delays(fire));
            delays[delays.len() - back] as f64
        };
        contest.row(
            Row { id, what, against: "the same, `std::sync::Mutex`", bar: Bar::None },
            || late(&alarm, &|| vector.synchronize(|n| *n += 1).expect("connected"), &|| bus.message(0)),
            || late(&plain, &|| *mutex.lock().expect("nobody panics") += 1, &|| peer.fire()),
        );
    }
    peer.end();
}
