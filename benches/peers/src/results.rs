//! Everything that a run found, as one document.

use crate::summary::{Row, Slot};
use serde::Serialize;

/// What a run found.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    /// The machine that it ran on.
    pub host: Host,
    /// Rates, over all rounds.
    pub rates: Vec<Row>,
    /// What was taken of a modest offer.
    pub losses: Vec<Slot>,
    /// What those cost that wait.
    pub idle: Vec<Slot>,
    /// What did not work.
    pub failures: Vec<String>,
    /// Each round's rates.
    pub samples: Vec<Slot>,
}

/// The machine that it ran on, and how long was measured.
#[derive(Debug, Default, Serialize)]
pub struct Host {
    /// Its processors.
    pub processors: usize,
    /// The part of them that was idle before.
    pub idle_before: f64,
    /// The kernel in the guest.
    pub guest_kernel: String,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of each slot, after the first two.
    pub seconds: u64,
}
