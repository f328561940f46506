//! What is counted of a vector, readable at any time without its lock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Mode;
use super::source::Source;
use crate::synchronize::unpoisoned;

/// The longest time that is told apart, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// A median and a 99th percentile, in the unit of the field that holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half of the values are no larger.
    pub p50: u64,
    /// 99 in 100 of the values are no larger.
    pub p99: u64,
}

/// How [`super::Vector::synchronize`] fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SynchronizeStatistics {
    /// Sections that ran.
    pub calls: u64,
    /// How long they waited for the lock; 0 for those that found it free.
    pub wait_ns: Percentiles,
}

/// What happened on a vector since it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VectorStatistics {
    /// The vector's index.
    pub index: u16,
    /// How its interrupts arrive.
    pub mode: Mode,
    /// Interrupts that arrived.
    pub count: u64,
    /// Calls of the handler; fewer than `count` where several interrupts came as one.
    pub calls: u64,
    /// Calls that found nothing to do.
    pub spurious: u64,
    /// How long the handler ran.
    pub handler_ns: Percentiles,
    /// The routines serialized with it.
    pub synchronize: SynchronizeStatistics,
}

/// The counters behind [`VectorStatistics`].
#[derive(Debug)]
pub struct Counters {
    count: AtomicU64,
    calls: AtomicU64,
    spurious: AtomicU64,
    sections: AtomicU64,
    handler: Mutex<Histogram<u64>>,
    waits: Mutex<Histogram<u64>>,
}

impl Counters {
    pub fn new() -> Self {
        let histogram = || {
            // Two digits are valid, and so are the bounds; an empty histogram stands in for the impossible.
            let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 2).or_else(|_| Histogram::new(2));
            Mutex::new(histogram.unwrap_or_else(|_| unreachable!("two significant digits are valid")))
        };
        Self {
            count: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            spurious: AtomicU64::new(0),
            sections: AtomicU64::new(0),
            handler: histogram(),
            waits: histogram(),
        }
    }

    pub fn arrived(&self, interrupts: u64) {
        self.count.fetch_add(interrupts, Ordering::Relaxed);
    }

    /// Interrupts that were counted go back to where they come from, and will arrive again.
    pub fn sent_back(&self, interrupts: u64) {
        self.count.fetch_sub(interrupts, Ordering::Relaxed);
    }

    pub fn handled(&self, took: Duration, spurious: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.spurious.fetch_add(u64::from(spurious), Ordering::Relaxed);
        unpoisoned(&self.handler).saturating_record(nanoseconds(took));
    }

    /// One section ran, after `waited` nanoseconds; only its holder calls this, so the count needs no
    /// read-modify-write.
    #[inline]
    pub fn section(&self, waited: u64) {
        self.sections.store(self.sections.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if waited > 0 {
            self.waited(waited);
        }
    }

    #[cold]
    #[inline(never)]
    fn waited(&self, nanoseconds: u64) {
        unpoisoned(&self.waits).saturating_record(nanoseconds);
    }

    pub fn read(&self, source: Source) -> VectorStatistics {
        let (index, mode) = (source.index(), source.mode());
        let calls = self.sections.load(Ordering::Relaxed);
        VectorStatistics {
            index,
            mode,
            count: self.count.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            spurious: self.spurious.load(Ordering::Relaxed),
            handler_ns: percentiles(&unpoisoned(&self.handler), 0),
            synchronize: SynchronizeStatistics {
                calls,
                wait_ns: {
                    let waits = unpoisoned(&self.waits);
                    percentiles(&waits, calls.saturating_sub(waits.len()))
                },
            },
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LONGEST_NS).clamp(1, LONGEST_NS)
}

/// The percentiles of the histogram together with `zeros` values of 0.
fn percentiles(histogram: &Histogram<u64>, zeros: u64) -> Percentiles {
    let total = histogram.len() + zeros;
    let at = |quantile: f64| {
        let rank = (quantile * total as f64).ceil() as u64;
        match rank.checked_sub(zeros) {
            None | Some(0) => 0,
            Some(rank) => histogram.value_at_quantile(rank as f64 / histogram.len() as f64),
        }
    };
    Percentiles { p50: at(0.5), p99: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncontended_sections_count_as_waits_of_zero() {
        let counters = Counters::new();
        for _ in 0..98 {
            counters.section(0);
        }
        for _ in 0..2 {
            counters.section(100);
        }
        let read = counters.read(Source::Vector(Mode::Msi, 3));
        assert_eq!((read.index, read.synchronize.calls), (3, 100));
        assert_eq!(read.synchronize.wait_ns, Percentiles { p50: 0, p99: 100 });
        assert_eq!(read.handler_ns, Percentiles::default());
    }
}
