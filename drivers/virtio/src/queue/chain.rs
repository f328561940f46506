//! Chains: what they are made of, what is remembered of one that is out, and what a device can say wrong of it.

use std::fmt;

use dirql::Iova;

/// A piece of memory in a chain.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Where the device finds it.
    pub iova: Iova,
    /// Its bytes.
    pub len: u32,
}

/// A chain on its way to the device: what it reads, then what it writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain<'a> {
    pub readable: &'a [Segment],
    pub writable: &'a [Segment],
}

impl<'a> Chain<'a> {
    #[inline]
    pub fn one(segment: &'a Segment, writable: bool) -> Self {
        let segment = std::slice::from_ref(segment);
        if writable {
            Self { readable: &[], writable: segment }
        } else {
            Self { readable: segment, writable: &[] }
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.readable.len() + self.writable.len()
    }

    /// Each segment, and whether the device writes it.
    #[inline]
    pub fn segments(&self) -> impl Iterator<Item = (&'a Segment, bool)> {
        self.readable
            .iter()
            .map(|segment| (segment, false))
            .chain(self.writable.iter().map(|segment| (segment, true)))
    }

    /// The one segment, where there is no other.
    #[inline]
    pub fn single(&self) -> Option<(&'a Segment, bool)> {
        match (self.readable, self.writable) {
            ([segment], []) => Some((segment, false)),
            ([], [segment]) => Some((segment, true)),
            _ => None,
        }
    }

    /// How many bytes the device may write.
    pub fn capacity(&self) -> u32 {
        self.writable.iter().fold(0, |sum: u32, segment| sum.saturating_add(segment.len))
    }
}

/// What is known of the chain with a certain number, whatever the device writes.
#[derive(Debug)]
pub(super) struct Slot<T> {
    /// The device has the chain.
    pub token: Option<T>,
    /// How many bytes it may write there.
    pub capacity: u32,
    /// How many descriptors of the ring it takes.
    pub descriptors: u16,
    /// The number that follows: in the chain, or among those that are free.
    pub next: u16,
}

impl<T> Slot<T> {
    /// All free, each followed by the next.
    pub fn all(size: u16) -> Vec<Self> {
        (0..size).map(|index| Self { token: None, capacity: 0, descriptors: 0, next: index + 1 }).collect()
    }
}

/// A chain that came back.
#[derive(Debug)]
pub(super) struct Used<T> {
    pub token: T,
    /// Bytes, as the device says.
    pub written: u32,
}

/// What a device said that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// The index of used chains runs ahead of those that are out.
    Index { from: u16, to: u16, outstanding: u16 },
    /// There is no such chain, or it is not out.
    Id { id: u32, size: u16 },
    /// More was written than there is room.
    Length { id: u16, written: u32, capacity: u32 },
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { from, to, outstanding } => {
                write!(f, "the device moved the used index from {from} to {to}, and has {outstanding} chains")
            }
            Self::Id { id, size } => {
                write!(f, "the device says to have used chain {id} of {size}, which it does not have")
            }
            Self::Length { id, written, capacity } => write!(
                f,
                "the device says to have written {written} bytes to chain {id}, where {capacity} fit"
            ),
        }
    }
}
