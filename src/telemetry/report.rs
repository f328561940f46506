//! What a program tells.

use serde::{Deserialize, Serialize};

use crate::Address;
use crate::class::display::DisplayReport;
use crate::class::net::NetReport;
use crate::class::random::RandomCounters;
use crate::dma::DmaUsage;
use crate::interrupt::{Histogram, Histograms, VectorStatistics};

/// The buckets of a [`Times`]: below 2 to each of these powers, in nanoseconds; from half a microsecond to 34 ms.
const POWERS: std::ops::RangeInclusive<u32> = 9..=25;

/// What a program tells of a device that it drives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The device.
    pub address: Address,
    /// The program's process id.
    pub pid: u32,
    /// The user that it runs as: for who asks, as the kernel has it.
    #[serde(default)]
    pub uid: u32,
    /// Its name.
    pub program: String,
    /// The driver's name, where it is known.
    #[serde(default)]
    pub driver: Option<String>,
    /// For how long it has published the device.
    #[serde(default)]
    pub uptime_seconds: f64,
    /// Its vectors.
    pub vectors: Vec<VectorStatistics>,
    /// How long things took on them.
    #[serde(default)]
    pub times: Vec<VectorTimes>,
    /// The device's DMA memory, where the driver has interrupts.
    #[serde(default)]
    pub dma: Option<DmaUsage>,
    /// What was counted of a network interface.
    #[serde(default)]
    pub net: Option<NetReport>,
    /// What was counted of a display.
    #[serde(default)]
    pub display: Option<DisplayReport>,
    /// What was counted of a source of entropy.
    #[serde(default)]
    pub random: Option<RandomCounters>,
}

/// How long things took on a vector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorTimes {
    /// The vector's index.
    pub index: u16,
    /// The handler's calls.
    pub handler: Times,
    /// The handler's waits for the lock; 0 where it found it free.
    pub handler_wait: Times,
    /// Sections, as far as they were timed: one in 1024, and each while somebody watches or traces.
    pub section_hold: Times,
    /// Waits for a section; 0 for those that found it free.
    pub section_wait: Times,
    /// Deferred calls.
    pub deferred: Times,
}

impl VectorTimes {
    /// Of a vector's histograms. What was not waited for is not in them.
    pub(super) fn of(vector: &VectorStatistics, times: &Histograms) -> Self {
        let Histograms { handler, handler_wait, hold, wait, deferred } = times;
        let others = |all: u64, waited: &Histogram| all.saturating_sub(waited.len());
        Self {
            index: vector.index,
            handler: Times::of(handler, 0),
            handler_wait: Times::of(handler_wait, others(vector.calls, handler_wait)),
            section_hold: Times::of(hold, 0),
            section_wait: Times::of(wait, others(vector.synchronize.calls, wait)),
            deferred: Times::of(deferred, 0),
        }
    }
}

/// Times by their size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How many there are.
    pub count: u64,
    /// All of them together.
    pub sum_ns: u64,
    /// How many are shorter than each of some times, which ascend.
    pub shorter: Vec<Shorter>,
}

/// How many are shorter than a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shorter {
    /// The time.
    pub than_ns: u64,
    /// How many.
    pub count: u64,
}

impl Times {
    /// These, together with `zeros` times of 0.
    pub(super) fn of(times: &Histogram, zeros: u64) -> Self {
        let shorter = |power| Shorter { than_ns: 1_u64 << power, count: times.below_power(power) + zeros };
        Self { count: times.len() + zeros, sum_ns: times.sum(), shorter: POWERS.map(shorter).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_what_they_are_shorter_than() {
        let times: Histogram = [100, 511, 512, 100_000_000].into_iter().collect();
        let told = Times::of(&times, 10);
        assert_eq!((told.count, told.sum_ns), (14, 100_001_123));
        let of = |ns| told.shorter.iter().find(|shorter| shorter.than_ns == ns).map(|shorter| shorter.count);
        assert_eq!((of(512), of(1024), of(1 << 25), of(1 << 26)), (Some(12), Some(13), Some(13), None));
        assert!(told.shorter.is_sorted_by(|a, b| a.than_ns < b.than_ns && a.count <= b.count));
    }
}
