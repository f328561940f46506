//! What can become of a frame.

/// What became of a frame that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is in memory.
    Received,
    /// It is not for this station, or too long.
    Filtered,
    /// There was no buffer for it.
    Missed,
    /// The receiver is off, the link down, or bus mastering off.
    Off,
}
