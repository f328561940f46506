//! From the write of an eventfd to the code behind it, and back by a flag.

use std::thread::{park, spawn};
use std::time::{Duration, Instant};

use dirql::interrupt::{Handled, Wait};

use crate::contest::{Bar, Contest, Row, median};
use crate::peer::{Arrivals, Peer};
use crate::setup::silent;

/// Long enough for a thread to be blocked in its read again.
const CALM: Duration = Duration::from_micros(50);
/// Short enough for the next interrupt to find a thread that waits awake.
const BUSY: Duration = Duration::from_micros(5);
/// Interrupts a slice.
const INTERRUPTS: u32 = 50;

/// Raises interrupts, each so long after the one before has arrived: nanoseconds from one to its arrival, the median.
fn round_trips(gap: Duration, arrivals: &Arrivals, raise: impl Fn()) -> f64 {
    median((0..INTERRUPTS).map(|_| {
        let calm = Instant::now();
        while calm.elapsed() < gap {
            std::hint::spin_loop();
        }
        let before = arrivals.count();
        let began = Instant::now();
        raise();
        while arrivals.count() == before {
            std::hint::spin_loop();
        }
        began.elapsed().as_nanos() as f64
    }))
}

pub fn run(contest: &mut Contest) {
    let rows = [
        (
            Row {
                id: "interrupt",
                what: "interrupt → handler",
                against: "bare blocking eventfd read",
                bar: Bar::Ratio(1.05),
            },
            CALM,
            Wait::Block,
        ),
        (
            Row {
                id: "adaptive",
                what: "interrupt → handler, adaptive wait, 5 µs apart",
                against: "busy polling of an eventfd",
                bar: Bar::Ratio(1.3),
            },
            BUSY,
            Wait::Adaptive { spin: CALM },
        ),
    ];
    for (row, gap, wait) in rows {
        handler(contest, row, gap, wait);
    }
    deferred(contest);
}

fn handler(contest: &mut Contest, row: Row, gap: Duration, wait: Wait) {
    let (mut interrupts, bus) = silent(1);
    let (handled, read) = (Arrivals::default(), Arrivals::default());
    let arrived = handled.clone();
    let vector = interrupts.vector(0, ()).wait(wait).connect(move |(), _| {
        arrived.add();
        Handled::Yes
    });
    let arrived = read.clone();
    let ours = || round_trips(gap, &handled, || bus.message(0));
    if wait == Wait::Block {
        let peer = Peer::blocked(move || arrived.add());
        contest.row(row, ours, || round_trips(gap, &read, || peer.fire()));
        peer.end();
    } else {
        // Only for its own slice, because it would take a processor from ours; twice, so that it has found one.
        contest.row(row, ours, || {
            let arrived = arrived.clone();
            let peer = Peer::polling(move || arrived.add());
            round_trips(gap, &read, || peer.fire());
            let time = round_trips(gap, &read, || peer.fire());
            peer.end();
            time
        });
    }
    drop(vector.expect("nothing was connected"));
}

fn deferred(contest: &mut Contest) {
    let (mut interrupts, bus) = silent(1);
    let (ran, woken) = (Arrivals::default(), Arrivals::default());
    let arrived = ran.clone();
    let vector = interrupts.vector(0, ()).deferred(move |_| arrived.add()).connect(|(), event| {
        event.defer();
        Handled::Yes
    });
    let (arrived, requests) = (woken.clone(), Arrivals::default());
    let requested = requests.clone();
    let second = spawn(move || {
        let mut served = 0;
        while !requested.has_ended() {
            match requested.count() {
                asked if asked == served => park(),
                asked => {
                    served = asked;
                    arrived.add();
                }
            }
        }
    });
    let (wakes, asks) = (second.thread().clone(), requests.clone());
    let peer = Peer::blocked(move || {
        asks.add();
        wakes.unpark();
    });
    contest.row(
        Row {
            id: "deferred",
            what: "interrupt → handler → deferred call",
            against: "blocking read → `unpark` → second thread",
            bar: Bar::None,
        },
        || round_trips(CALM, &ran, || bus.message(0)),
        || round_trips(CALM, &woken, || peer.fire()),
    );
    peer.end();
    drop(vector.expect("nothing was connected"));
    requests.end();
    second.thread().unpark();
    second.join().expect("the second thread ends");
}
