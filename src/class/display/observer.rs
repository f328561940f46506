//! What is counted of a display, and a way to look at it.

use serde::{Deserialize, Serialize};

use super::Rectangle;
use crate::class::{Counters, MeterReader, WORDS};

/// What was counted of a display by who shows pictures on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayCounters {
    /// Modes that were set.
    pub mode_sets: u64,
    /// Page flips, without those.
    pub flips: u64,
    /// Rectangles of either that the device was to take over.
    pub damage_rectangles: u64,
    /// Their pixels.
    pub damage_pixels: u64,
}

impl DisplayCounters {
    /// Counts a mode that was set, or a flip, with what lies of its damage within a framebuffer of this size.
    pub fn shown(&mut self, is_mode_set: bool, damage: &[Rectangle], size: (u32, u32)) {
        *if is_mode_set { &mut self.mode_sets } else { &mut self.flips } += 1;
        for part in damage.iter().filter_map(|part| part.within(size.0, size.1)) {
            self.damage_rectangles += 1;
            self.damage_pixels += u64::from(part.width) * u64::from(part.height);
        }
    }
}

impl Counters for DisplayCounters {
    fn words(&self) -> [u64; WORDS] {
        let Self { mode_sets, flips, damage_rectangles, damage_pixels } = *self;
        [mode_sets, flips, damage_rectangles, damage_pixels, 0, 0, 0, 0]
    }

    fn from_words(words: [u64; WORDS]) -> Self {
        let [mode_sets, flips, damage_rectangles, damage_pixels, ..] = words;
        Self { mode_sets, flips, damage_rectangles, damage_pixels }
    }
}

/// What was counted of a display's fences, by whoever passes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceCounters {
    /// Fences that were given.
    pub given: u64,
    /// Those of them that have passed.
    pub passed: u64,
}

impl Counters for FenceCounters {
    fn words(&self) -> [u64; WORDS] {
        [self.given, self.passed, 0, 0, 0, 0, 0, 0]
    }

    fn from_words(words: [u64; WORDS]) -> Self {
        let [given, passed, ..] = words;
        Self { given, passed }
    }
}

/// A way to look at a display, on any thread. It keeps nothing of the device alive.
#[derive(Debug, Clone)]
pub struct DisplayObserver {
    /// Of what is shown.
    pub shown: MeterReader<DisplayCounters>,
    /// Of its fences.
    pub fences: MeterReader<FenceCounters>,
}

impl DisplayObserver {
    /// What was counted until now.
    pub fn read(&self) -> DisplayReport {
        // What has passed was given before.
        let fences = self.fences.read();
        DisplayReport { shown: self.shown.read(), fences }
    }
}

/// What was counted of a display.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayReport {
    /// Of what is shown.
    #[serde(flatten)]
    pub shown: DisplayCounters,
    /// Of its fences.
    pub fences: FenceCounters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_within_the_framebuffer_counts() {
        let mut counters = DisplayCounters::default();
        counters.shown(true, &[Rectangle::whole(64, 48)], (64, 48));
        let corner = Rectangle { x: 60, y: 40, width: 10, height: 10 };
        counters.shown(false, &[corner, Rectangle { x: 64, ..corner }], (64, 48));
        let wanted =
            DisplayCounters { mode_sets: 1, flips: 1, damage_rectangles: 2, damage_pixels: 64 * 48 + 4 * 8 };
        assert_eq!(counters, wanted);
        assert_eq!(DisplayCounters::from_words(counters.words()), wanted);
    }
}
