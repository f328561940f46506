//! Memory that the device reaches: typed, pooled, and never unmapped while the device could reach it.
//!
//! A [`Buffer`] is the CPU's: it reads and writes like a slice. [`Buffer::lend`] makes it a [`Lent`], which has an
//! [`Iova`] to give to the device and nothing to read; [`Lent::reclaim`] makes it the CPU's again. What the device
//! only reads may be [`Exposed`] instead: the CPU goes on writing it. A [`Ring`] is a descriptor ring of which each entry,
//! with the memory it points to, is the CPU's or lent. [`Shared`] is an array of words that both read and write.
//!
//! That the device is done with what is reclaimed is the driver's word: nobody else can know. A driver that reclaims
//! early reads torn data; the memory itself stays where it is until the device is closed.
//!
//! Addresses come from an allocator over what the IOMMU allows and the device's [`DmaMask`] reaches. Mappings are made
//! in large pieces and kept until the device is closed.

mod buffer;
mod mask;
mod memory;
mod pool;
mod ranges;
mod ring;
mod shared;
mod usage;

pub use self::buffer::{Buffer, Descriptor, Dma, Exposed, Lent};
pub use self::mask::DmaMask;
pub(crate) use self::pool::Pool;
pub use self::ranges::RangeAllocator;
pub use self::ring::Ring;
pub use self::shared::{Shared, Word, barrier};
pub use self::usage::DmaUsage;
pub use crate::backend::Iova;
