//! How long the poller rests before it has itself interrupted: not at all while little is to do, and longer while much is.
//!
//! An interrupt that finds few frames has cost more than they have; one that comes late finds a full ring. So a rest
//! grows until each wait finds about half of a ring. A rest in vain ends the rush: the next frame is told at once.
//!
//! Source: the kernel's `napi_defer_hard_irqs` (`Documentation/networking/napi.rst`).

use std::time::Duration;

use super::Interest;

/// Rests, in microseconds.
const SHORTEST: u32 = 125;
const LONGEST: u32 = 2000;
/// So many frames at a time, or less, are few enough that nobody should wait for them; after a long rest, so many in a
/// millisecond.
const FEW: u32 = 8;
const FEW_PER_MILLISECOND: u32 = 16;
/// So many at a time are aimed at, half of a usual ring: of a steady stream, one of the rests, of which each is twice the
/// one before, finds as many.
const WANTED: std::ops::RangeInclusive<u64> = 96..=192;

/// A queue's rests, for [`super::napi::Source::rest`].
///
/// ```
/// use dirql::class::net::{Interest, Moderation};
/// let mut moderation = Moderation::default();
/// assert!(moderation.rest(Interest::Both, 3).is_zero()); // few frames: nobody is kept waiting
/// assert!(!moderation.rest(Interest::Both, 53).is_zero()); // 50 since then
/// ```
#[derive(Debug, Default)]
pub struct Moderation {
    rest: u32,
    frames: u64,
}

impl Moderation {
    /// The rest of one who waits for this after so many frames have come since the beginning. Who waits for frames to leave,
    /// and for none to come, has none.
    pub fn rest(&mut self, interest: Interest, frames: u64) -> Duration {
        let come = frames.saturating_sub(self.frames);
        self.rest = if interest.receives() { next(self.rest, come) } else { 0 };
        self.frames = frames;
        Duration::from_micros(self.rest.into())
    }

    /// It was in vain.
    pub fn end(&mut self) {
        self.rest = 0;
    }
}

/// The rest after one that found so many frames.
fn next(rest: u32, frames: u64) -> u32 {
    let few = FEW.max(rest * FEW_PER_MILLISECOND / 1000);
    if frames < few.into() || frames > *WANTED.end() {
        if rest > SHORTEST { rest / 2 } else { 0 }
    } else if frames < *WANTED.start() {
        (rest * 2).clamp(SHORTEST, LONGEST)
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames that come meanwhile, of so many a second.
    fn come(rate: u64, rest: u32) -> u64 {
        // Some more while the others are looked at.
        rate * (u64::from(rest) + 80) / 1_000_000
    }

    #[test]
    fn much_is_bundled_and_little_is_not_kept_waiting() {
        let settled = |rate| (0..50).fold(0, |rest, _| next(rest, come(rate, rest)));
        assert_eq!((settled(100), settled(14_000), settled(10_000_000)), (0, 0, 0));
        for rate in (110_000..900_000).step_by(12_345) {
            let rest = settled(rate);
            assert!(rest >= SHORTEST && WANTED.contains(&come(rate, rest)), "{rate}: {rest} µs");
        }
    }

    #[test]
    fn a_rush_that_is_over_keeps_nobody_waiting() {
        let mut moderation = Moderation::default();
        let rests: Vec<_> =
            (1..=6).map(|turn| moderation.rest(Interest::Receive, 50 * turn).as_micros()).collect();
        assert_eq!(rests, [125, 250, 500, 1000, 2000, 2000]);
        // Even a steady trickle is no rush.
        assert_eq!(next(LONGEST, 31), 1000);
        moderation.end();
        assert_eq!(moderation.rest(Interest::Receive, 301), Duration::ZERO);
    }

    #[test]
    fn who_waits_for_frames_to_leave_does_not_rest_for_those_that_come() {
        let mut moderation = Moderation::default();
        for frames in [50, 100] {
            assert!(!moderation.rest(Interest::Both, frames).is_zero());
        }
        assert!(moderation.rest(Interest::Transmit, 150).is_zero());
    }
}
