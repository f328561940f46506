//! How often the chip interrupts for a queue: often while little is to do, seldom while much is.
//!
//! An interrupt that finds few frames has cost more than they have; one that comes late finds a full ring. So the time
//! between two of them grows until each finds about half of a ring. It delays nothing that comes after a pause: only
//! an interrupt that follows another one closely waits.

use dirql::Result;
use dirql::region::{Bar, Register};

/// At most 20,000 interrupts a second, and at least 500 where there is so much to do, in units of 256 ns.
pub const LEAST: u32 = 195;
const MOST: u32 = 7812;
/// So many frames at an interrupt are few enough that nobody should wait for them.
const FEW: u64 = 8;
/// So many at an interrupt are aimed at: of a steady stream, one of the intervals, of which each is twice the one before,
/// finds as many.
const WANTED: std::ops::RangeInclusive<u64> = 96..=192;

/// The time between a queue's interrupts.
#[derive(Debug)]
pub struct Moderation {
    register: Register<u32>,
    interval: u32,
    frames: u64,
}

impl Moderation {
    /// Of the queue whose interval is in `register`, where [`LEAST`] was written.
    pub fn new(register: Register<u32>) -> Self {
        Self { register, interval: LEAST, frames: 0 }
    }

    /// Moderates before the queue is armed; so many frames have passed it since the beginning.
    ///
    /// # Errors
    /// Where the register cannot be written.
    pub fn moderate(&mut self, bar: &Bar, frames: u64) -> Result<()> {
        let interval = next(self.interval, frames - self.frames);
        self.frames = frames;
        if std::mem::replace(&mut self.interval, interval) == interval {
            return Ok(());
        }
        bar.write(self.register, interval)
    }
}

/// The interval after an interrupt that found so many frames.
fn next(interval: u32, frames: u64) -> u32 {
    if frames < FEW || frames > *WANTED.end() {
        (interval / 2).max(LEAST)
    } else if frames < *WANTED.start() {
        (interval * 2).min(MOST)
    } else {
        interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The interval that a steady stream of so many frames a second comes to.
    fn settled(rate: u64) -> u32 {
        let came = |interval: u32| rate * u64::from(interval) * 256 / 1_000_000_000;
        (0..50).fold(LEAST, |interval, _| next(interval, came(interval)))
    }

    #[test]
    fn much_is_bundled_and_little_is_not_kept_waiting() {
        assert_eq!((settled(100), settled(100_000), settled(5_000_000)), (LEAST, LEAST, LEAST));
        for rate in (200_000..3_800_000).step_by(12_345) {
            let interval = settled(rate);
            let frames = rate * u64::from(interval) * 256 / 1_000_000_000;
            assert!(WANTED.contains(&frames), "{rate}: {frames} frames each {interval}");
        }
    }

    #[test]
    fn where_each_takes_long_there_are_fewer_and_then_as_many_again() {
        let after = |from, frames| (0..10).fold(from, |interval, _| next(interval, frames));
        // As many come while an interrupt is handled, however short the interval.
        assert_eq!((after(LEAST, 30), after(MOST, 3)), (MOST, LEAST));
    }
}
