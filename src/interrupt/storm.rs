//! Interrupts that never end and never mean anything.

use std::time::{Duration, Instant};

/// When a vector is taken for mad: so many calls in a row, within such a time, that found nothing to do.
///
/// Source: R24 of `docs/synchronize.md`; `kernel/irq/spurious.c` of Linux does the same for the kernel's drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormLimit {
    /// Calls in a row that found nothing to do.
    pub calls: u32,
    /// The time within which they come.
    pub window: Duration,
}

impl Default for StormLimit {
    /// 1000 calls within a second.
    fn default() -> Self {
        Self { calls: 1000, window: Duration::from_secs(1) }
    }
}

/// Counts for one vector, on its thread.
#[derive(Debug)]
pub struct StormGuard {
    limit: StormLimit,
    began: Option<Instant>,
    fruitless: u32,
}

impl StormGuard {
    pub fn new(limit: StormLimit) -> Self {
        Self { limit, began: None, fruitless: 0 }
    }

    /// A call had something to do.
    pub fn calm(&mut self) {
        self.fruitless = 0;
    }

    /// A call found nothing to do: true where that makes a storm.
    pub fn fruitless(&mut self, now: Instant) -> bool {
        let began = match self.began {
            Some(began)
                if self.fruitless > 0 && now.saturating_duration_since(began) <= self.limit.window =>
            {
                began
            }
            _ => {
                self.fruitless = 0;
                now
            }
        };
        self.began = Some(began);
        self.fruitless += 1;
        let storm = self.fruitless > self.limit.calls;
        if storm {
            self.fruitless = 0;
        }
        storm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r24_only_many_in_a_row_and_in_time_are_a_storm() {
        let limit = StormLimit { calls: 3, window: Duration::from_millis(10) };
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut guard = StormGuard::new(limit);
        assert_eq!([0, 1, 2, 3].map(|ms| guard.fruitless(at(ms))), [false, false, false, true]);
        // Too slow, one window after the other.
        assert_eq!([20, 25, 30, 31, 35].map(|ms| guard.fruitless(at(ms))), [false; 5]);
        // Interrupted by one that meant something.
        let mut guard = StormGuard::new(limit);
        assert_eq!([0, 1, 2].map(|ms| guard.fruitless(at(ms))), [false; 3]);
        guard.calm();
        assert_eq!([3, 4, 5].map(|ms| guard.fruitless(at(ms))), [false; 3]);
    }
}
