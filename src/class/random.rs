//! Entropy: bytes that nobody can guess.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Counters, MeterReader, WORDS};
use crate::Result;

/// A source of entropy.
pub trait Random: Send {
    /// Fills `bytes` from the front, and gives how many there are: fewer where the source has no more within `timeout`. It
    /// sleeps meanwhile. What arrives later is for the next call.
    ///
    /// # Errors
    /// Where the device fails.
    fn fill(&mut self, bytes: &mut [u8], timeout: Duration) -> Result<usize>;

    /// A way to look at it from outside; `None` of a driver that offers none.
    fn meters(&self) -> Option<MeterReader<RandomCounters>> {
        None
    }
}

/// What was counted of a source of entropy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomCounters {
    /// Calls of [`Random::fill`].
    pub reads: u64,
    /// Bytes that they gave.
    pub bytes: u64,
}

impl Counters for RandomCounters {
    fn words(&self) -> [u64; WORDS] {
        [self.reads, self.bytes, 0, 0, 0, 0, 0, 0]
    }

    fn from_words(words: [u64; WORDS]) -> Self {
        let [reads, bytes, ..] = words;
        Self { reads, bytes }
    }
}
