//! What is counted of a vector, readable at any time without its lock.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::{Mode, Overrun};

/// How values are spread, in the unit of the field that holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the values are no larger.
    pub p50: u64,
    /// 99 in 100 of the values are no larger.
    pub p99: u64,
    /// 999 in 1000 of the values are no larger.
    pub p999: u64,
    /// No value is larger.
    pub max: u64,
}

impl Percentiles {
    /// Of the times together with `zeros` times of 0.
    pub(super) fn of(times: &Histogram, zeros: u64) -> Self {
        let at = |quantile| times.quantile_with_zeros(quantile, zeros);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: times.max() }
    }
}

/// How [`super::Vector::synchronize`] fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SynchronizeStatistics {
    /// Sections that ran.
    pub calls: u64,
    /// How long they waited for the lock; 0 for those that found it free.
    pub wait_ns: Percentiles,
    /// How long they held it, as far as they were timed.
    pub hold_ns: Percentiles,
    /// Sections that were timed: one in 1024, and each while somebody watches or traces.
    pub timed: u64,
    /// Calls that were refused as `Reentrant`.
    pub reentries: u64,
    /// The budget of a hold.
    pub budget_ns: u64,
    /// Holds beyond it, of sections and of the handler, that were seen by who held or who waited.
    pub over_budget: u64,
    /// The latest of them.
    pub latest_over_budget: Vec<Overrun>,
}

/// How the deferred calls of a vector fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredStatistics {
    /// Deferred calls that ran.
    pub calls: u64,
    /// How long they ran.
    pub run_ns: Percentiles,
}

/// What happened on a vector since it was connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorStatistics {
    /// The vector's index.
    pub index: u16,
    /// How its interrupts arrive.
    pub mode: Mode,
    /// Interrupts that arrived.
    pub count: u64,
    /// Calls of the handler; fewer than `count` where several interrupts came as one.
    pub calls: u64,
    /// Interrupts that came together with another, in one call.
    pub coalesced: u64,
    /// Calls that found nothing to do.
    pub spurious: u64,
    /// Times that the vector was quieted, because it had nothing to say too often.
    pub storms: u64,
    /// Times that a panic has left the state half done.
    pub poisonings: u64,
    /// How long the handler ran.
    pub handler_ns: Percentiles,
    /// How long it waited for the lock; 0 where it found it free.
    pub handler_wait_ns: Percentiles,
    /// The routines serialized with it.
    pub synchronize: SynchronizeStatistics,
    /// Its deferred calls.
    pub deferred: DeferredStatistics,
}

/// How long things took on a vector, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histograms {
    /// The handler's calls.
    pub handler: Histogram,
    /// The handler's waits for the lock, where it was not free.
    pub handler_wait: Histogram,
    /// Sections, as far as they were timed.
    pub hold: Histogram,
    /// Waits for a section that was not free.
    pub wait: Histogram,
    /// Deferred calls.
    pub deferred: Histogram,
}
