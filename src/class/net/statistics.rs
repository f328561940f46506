//! What was counted.

use serde::Serialize;

/// Counters of the device. Frames that a full ring dropped are in `receive_missed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueCounters {
    /// Frames handed to the program.
    pub receive_frames: u64,
    /// Writes to the device that gave it receive buffers.
    pub receive_doorbells: u64,
    /// Frames queued.
    pub transmit_frames: u64,
    /// Writes to the device that told it of frames.
    pub transmit_doorbells: u64,
}
