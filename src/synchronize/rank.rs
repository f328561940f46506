//! The order in which locks are entered.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where a lock stands in the order that keeps sections from waiting for each other in a circle.
///
/// Locks are entered only upward. Devices stand in the order in which they were opened. Of one device: control, then
/// deferred calls, then the vectors by their indices, then the error source, then the release request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Below every lock: what a thread holds that holds nothing.
    pub(crate) const NONE: Self = Self(0);

    /// Of what a device's own control does, on the `device`th device that this process opened.
    pub const fn control(device: u32) -> Self {
        Self::of(device, 1)
    }

    /// Of the deferred calls of a vector.
    pub const fn deferred(device: u32, vector: u16) -> Self {
        Self::of(device, 0x1_0000 + vector as u32)
    }

    /// Of a vector.
    pub const fn vector(device: u32, vector: u16) -> Self {
        Self::of(device, 0x2_0000 + vector as u32)
    }

    /// Of the error source.
    pub const fn error(device: u32) -> Self {
        Self::of(device, 0x3_0000)
    }

    /// Of the release request.
    pub const fn request(device: u32) -> Self {
        Self::of(device, 0x4_0000)
    }

    const fn of(device: u32, level: u32) -> Self {
        Self((device as u64) << 32 | level as u64)
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
