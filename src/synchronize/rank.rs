//! The order in which locks are entered.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where a lock stands in the order that keeps sections from waiting for each other in a circle.
///
/// Locks are entered only upward. Devices stand in the order in which they were opened, and the vectors of one in the
/// order of their indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Below every lock: what a thread holds that holds nothing.
    pub(crate) const NONE: Self = Self(0);

    /// The rank of a vector, on the `device`th device that this process opened.
    pub const fn vector(device: u32, vector: u16) -> Self {
        Self((device as u64) << 32 | (vector as u64 + 1))
    }

    /// A rank of its own, in the order of the calls, for a lock that belongs to no device.
    pub fn next() -> Self {
        Self::vector(Self::next_device(), 0)
    }

    /// The number of the next device in lock order.
    pub(crate) fn next_device() -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}
