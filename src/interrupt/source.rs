//! What a connection listens to.

use super::Mode;
use crate::backend::IrqIndex;
use crate::synchronize::Rank;

/// What a connection listens to: a vector, or the error source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A vector, and how its interrupts arrive.
    Vector(Mode, u16),
    /// PCIe error reporting.
    Error,
}

impl Source {
    pub fn irq(self) -> IrqIndex {
        match self {
            Self::Vector(mode, _) => mode.irq(),
            Self::Error => IrqIndex::Error,
        }
    }

    /// The index within its kind.
    pub fn index(self) -> u16 {
        match self {
            Self::Vector(_, index) => index,
            Self::Error => 0,
        }
    }

    /// How it arrives. Errors come as messages do: as edges that are counted, and never masked.
    pub fn mode(self) -> Mode {
        match self {
            Self::Vector(mode, _) => mode,
            Self::Error => Mode::Msi,
        }
    }

    pub fn rank(self, device: u32) -> Rank {
        match self {
            Self::Vector(_, index) => Rank::vector(device, index),
            Self::Error => Rank::error(device),
        }
    }

    /// Where the source's threads stand outside of any section: below every vector of the device, so that deferred calls
    /// and hooks enter them all, and where whoever waits for their end must stand lower.
    pub fn standing(self, device: u32) -> Rank {
        match self {
            Self::Vector(_, index) => Rank::deferred(device, index),
            Self::Error => Rank::deferred(device, u16::MAX),
        }
    }

    /// Whether the kernel masks it when it fires, and somebody has to unmask it.
    pub fn is_line(self) -> bool {
        matches!(self, Self::Vector(Mode::Intx, _))
    }

    /// The end of a thread's name.
    pub fn tag(self) -> String {
        match self {
            Self::Vector(_, index) => index.to_string(),
            Self::Error => "err".into(),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Vector(_, index) => write!(f, "vector {index}"),
            Self::Error => f.write_str("the error source"),
        }
    }
}
