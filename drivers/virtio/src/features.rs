//! Feature bits: what a device offers, and what of it a driver takes.
//!
//! Source: Virtual I/O Device (VIRTIO) 1.2, 2.2 and 6.

use std::fmt;

/// A set of feature bits. Those below 24 and above 49 are the device type's own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Features(pub u64);

impl Features {
    /// Chains may lie in a table of their own.
    pub const INDIRECT_DESC: Self = Self(1 << 28);
    /// Either side says after which entry it wants to be told.
    pub const EVENT_IDX: Self = Self(1 << 29);
    /// The device follows version 1 of the specification.
    pub const VERSION_1: Self = Self(1 << 32);
    /// The device's addresses go through the IOMMU.
    pub const ACCESS_PLATFORM: Self = Self(1 << 33);
    /// Rings are packed.
    pub const RING_PACKED: Self = Self(1 << 34);
    /// Memory is ordered as for any other device of the platform.
    pub const ORDER_PLATFORM: Self = Self(1 << 36);
    /// A single queue can be reset.
    pub const RING_RESET: Self = Self(1 << 40);

    /// What every driver on this transport takes where it is offered.
    pub const TRANSPORT: Self = Self(
        Self::INDIRECT_DESC.0
            | Self::EVENT_IDX.0
            | Self::VERSION_1.0
            | Self::ACCESS_PLATFORM.0
            | Self::RING_PACKED.0
            | Self::ORDER_PLATFORM.0
            | Self::RING_RESET.0,
    );

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits that both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The bits that either has.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits that `other` has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Features({:#018x})", self.0)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}
