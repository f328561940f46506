//! What was counted.

use serde::{Deserialize, Serialize};

use crate::class::{Counters, WORDS};

/// Counters of the device. Frames that a full ring dropped are in `receive_missed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Good frames received.
    pub receive_frames: u64,
    /// Their bytes, with check sequences.
    pub receive_bytes: u64,
    /// Frames received in error.
    pub receive_errors: u64,
    /// Frames lost because no buffer was free.
    pub receive_missed: u64,
    /// Frames sent.
    pub transmit_frames: u64,
    /// Their bytes, with check sequences.
    pub transmit_bytes: u64,
}

/// What was counted of one pair of rings, by its driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounters {
    /// Frames handed to the program.
    pub receive_frames: u64,
    /// Their bytes, without check sequences.
    pub receive_bytes: u64,
    /// Frames that came damaged or in a way that cannot be, and were handed to nobody.
    pub receive_dropped: u64,
    /// Writes to the device that gave it receive buffers.
    pub receive_doorbells: u64,
    /// Frames queued.
    pub transmit_frames: u64,
    /// Their bytes, without check sequences.
    pub transmit_bytes: u64,
    /// Writes to the device that told it of frames.
    pub transmit_doorbells: u64,
}

impl Counters for QueueCounters {
    #[inline]
    fn words(&self) -> [u64; WORDS] {
        [
            self.receive_frames,
            self.receive_bytes,
            self.receive_dropped,
            self.receive_doorbells,
            self.transmit_frames,
            self.transmit_bytes,
            self.transmit_doorbells,
            0,
        ]
    }

    fn from_words(words: [u64; WORDS]) -> Self {
        let [
            receive_frames,
            receive_bytes,
            receive_dropped,
            receive_doorbells,
            transmit_frames,
            transmit_bytes,
            transmit_doorbells,
            _,
        ] = words;
        Self {
            receive_frames,
            receive_bytes,
            receive_dropped,
            receive_doorbells,
            transmit_frames,
            transmit_bytes,
            transmit_doorbells,
        }
    }
}
