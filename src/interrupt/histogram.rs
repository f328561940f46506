//! Times by how often they were: written by whoever has one, read by anybody, and nobody waits.
//!
//! Buckets are exact below 64 ns, and above it 32 to a power of two: a value is told to 1 part in 32, some 3 %.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest time that is told apart, in nanoseconds; what is longer counts as this long.
const LONGEST_NS: u64 = 60_000_000_000;
/// Buckets of one power of two.
const SPLIT: u32 = 32;
const SPLIT_BITS: u32 = SPLIT.trailing_zeros();
const BUCKETS: usize = bucket(LONGEST_NS) + 1;

/// Which bucket holds the value.
const fn bucket(ns: u64) -> usize {
    let ns = if ns < LONGEST_NS { ns } else { LONGEST_NS };
    // Below twice the split, each value has a bucket of its own.
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(SPLIT_BITS + 1);
    (shift * SPLIT) as usize + (ns >> shift) as usize
}

/// The smallest and the largest value of a bucket.
fn bounds(bucket: usize) -> (u64, u64) {
    let shift = (bucket as u32 / SPLIT).saturating_sub(1);
    let low = (bucket as u64 - u64::from(shift * SPLIT)) << shift;
    (low, low + (1 << shift) - 1)
}

/// A histogram that any thread may write while any other reads.
pub struct Recorder {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
    sum: AtomicU64,
}

impl Recorder {
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { buckets: (0..BUCKETS).map(|_| zero()).collect(), max: zero(), sum: zero() }
    }

    /// Counts one value.
    pub fn record(&self, ns: u64) {
        let ns = ns.min(LONGEST_NS);
        self.max.fetch_max(ns, Ordering::Relaxed);
        self.sum.fetch_add(ns, Ordering::Relaxed);
        if let Some(count) = self.buckets.get(bucket(ns)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted until now. A value that comes meanwhile is in it or not.
    pub fn snapshot(&self) -> Histogram {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let full = self.buckets.iter().map(count).enumerate().filter(|&(_, count)| count > 0);
        let buckets: Vec<_> = full.map(|(index, count)| (index as u16, count)).collect();
        let len = buckets.iter().map(|&(_, count)| count).sum();
        Histogram {
            buckets,
            len,
            max: self.max.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// Times in nanoseconds, counted by their size to 1 part in 32.
///
/// ```
/// use dirql::interrupt::Histogram;
/// let times: Histogram = [100, 100, 100, 2_000_000].into_iter().collect();
/// assert_eq!((times.len(), times.quantile(0.5), times.max()), (4, 101, 2_000_000));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Index and count of those that are not empty, in order.
    buckets: Vec<(u16, u64)>,
    len: u64,
    max: u64,
    sum: u64,
}

impl Histogram {
    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest value, exactly; 0 of none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// All values together, exactly.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values are below 2 to this power, exactly: no bucket lies on both sides.
    pub fn below_power(&self, power: u32) -> u64 {
        let below = |index: u16| bounds(index.into()).1.checked_shr(power).unwrap_or(0) == 0;
        self.buckets.iter().take_while(|&&(index, _)| below(index)).map(|&(_, count)| count).sum()
    }

    /// The value that a share `quantile` of the values does not exceed, at most 1 part in 32 too large; 0 of none.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.quantile_with_zeros(quantile, 0)
    }

    /// As [`Histogram::quantile`], of these values together with `zeros` values of 0.
    pub(super) fn quantile_with_zeros(&self, quantile: f64, zeros: u64) -> u64 {
        let rank = (quantile.clamp(0.0, 1.0) * (self.len + zeros) as f64).ceil() as u64;
        let mut below = zeros;
        if rank <= below {
            return 0;
        }
        for &(index, count) in &self.buckets {
            below += count;
            if rank <= below {
                let (low, high) = bounds(index.into());
                return high.min(self.max.max(low));
            }
        }
        self.max
    }

    /// The buckets that are not empty: their smallest and largest value, and how many values they hold.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().map(|&(index, count)| {
            let (low, high) = bounds(index.into());
            (low, high, count)
        })
    }
}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let recorder = Recorder::new();
        values.into_iter().for_each(|value| recorder.record(value));
        recorder.snapshot()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |quantile| self.quantile(quantile);
        write!(f, "Histogram({} values, p50 {}, p99 {}, max {})", self.len, at(0.5), at(0.99), self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of every size, not only large ones.
    fn value() -> impl Strategy<Value = u64> {
        (0..37_u32, any::<u64>()).prop_map(|(bits, value)| value & ((1 << bits) - 1))
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(
            mut values in proptest::collection::vec(value(), 1..300),
            zeros in 0..50_u64,
            quantile in 0.0..=1.0_f64,
        ) {
            let histogram: Histogram = values.iter().copied().collect();
            values.iter_mut().for_each(|value| *value = (*value).min(LONGEST_NS));
            prop_assert_eq!(histogram.len(), values.len() as u64);
            prop_assert_eq!(histogram.max(), *values.iter().max().unwrap());
            prop_assert_eq!(histogram.sum(), values.iter().sum::<u64>());
            for power in [0, 5, 6, 10, 35, 36, 63, 64] {
                let below = values.iter().filter(|&&value| u128::from(value) < 1 << power).count() as u64;
                prop_assert_eq!(histogram.below_power(power), below, "below 2^{}", power);
            }
            prop_assert_eq!(histogram.buckets().map(|(_, _, count)| count).sum::<u64>(), histogram.len());
            values.extend(std::iter::repeat_n(0, zeros as usize));
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64).ceil() as usize).max(1);
            let (exact, told) = (values[rank - 1], histogram.quantile_with_zeros(quantile, zeros));
            // An empty share of the values is exceeded by all of them.
            prop_assume!(quantile > 0.0);
            prop_assert!(told >= exact && told <= exact + exact / 32, "{} for {}", told, exact);
        }

        #[test]
        fn buckets_hold_what_they_say(value in value()) {
            let (low, high) = bounds(bucket(value));
            let value = value.min(LONGEST_NS);
            prop_assert!(low <= value && value <= high && high - low <= low / 32, "{low} {value} {high}");
        }
    }

    #[test]
    fn buckets_join_without_gaps() {
        for index in 1..BUCKETS {
            assert_eq!(bounds(index).0, bounds(index - 1).1 + 1, "{index}");
        }
        assert_eq!((bounds(0), bucket(u64::MAX)), ((0, 0), BUCKETS - 1));
    }

    #[test]
    fn nothing_is_lost_among_writers() {
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let recorder = &recorder;
                scope.spawn(move || (0..10_000).for_each(|ns| recorder.record(ns * (thread + 1))));
            }
            assert!(recorder.snapshot().len() <= 40_000);
        });
        let histogram = recorder.snapshot();
        assert_eq!((histogram.len(), histogram.max()), (40_000, 39_996));
    }
}
