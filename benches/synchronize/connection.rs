//! Taking a handler away.

use std::time::{Duration, Instant};

use crate::contest::{Bar, Contest, Row};
use crate::peer::Peer;
use crate::setup::{counter, silent};

/// Long enough for a thread that was started to be blocked in its read.
const SETTLE: Duration = Duration::from_micros(200);
/// Disconnects a slice.
const TIMES: u32 = 5;

/// Nanoseconds for the end of what was started and has settled.
fn ends<T>(start: &mut dyn FnMut() -> T, end: impl Fn(T)) -> f64 {
    let mut sum = Duration::ZERO;
    for _ in 0..TIMES {
        let started = start();
        std::thread::sleep(SETTLE);
        let began = Instant::now();
        end(started);
        sum += began.elapsed();
    }
    sum.as_nanos() as f64 / f64::from(TIMES)
}

pub fn run(contest: &mut Contest) {
    let (mut interrupts, _bus) = silent(1);
    contest.row(
        Row {
            id: "disconnect",
            what: "disconnect of an idle vector",
            against: "write to a bare reader + join",
            bar: Bar::Time(1e6),
        },
        || ends(&mut || counter(&mut interrupts, 0), drop),
        || ends(&mut || Peer::blocked(|| ()), Peer::end),
    );
}
