//! Buffers: the CPU's, or lent to the device.

use std::fmt;
use std::sync::Arc;

use super::memory::Block;
use super::{DmaMask, Iova, Ring, Shared, Word};
use crate::Result;
use crate::core::Core;
use crate::synchronize::unpoisoned;

/// DMA memory of a device, within reach of a mask.
#[derive(Debug, Clone)]
pub struct Dma {
    pub(crate) core: Arc<Core>,
    mask: DmaMask,
}

impl Dma {
    pub(crate) fn new(core: Arc<Core>, mask: DmaMask) -> Self {
        Self { core, mask }
    }

    /// A zeroed buffer of `len` bytes, aligned to its length rounded up to a power of two, at most to a page: it
    /// crosses no page that it could avoid.
    ///
    /// # Errors
    /// E9 with the figures where the memlock limit refuses; E10 where no address is left within the mask.
    pub fn buffer(&self, len: usize) -> Result<Buffer> {
        let align = len.clamp(1, 4096).next_power_of_two();
        let block = self.block(len, align)?;
        Ok(Buffer { owned: Box::new(Owned { block, core: self.core.clone(), lent: false }) })
    }

    /// A descriptor ring of `entries`, zeroed, aligned to a page. See [`Ring`].
    ///
    /// # Errors
    /// As [`Dma::buffer`]; `InvalidArgument` for fewer than 2 entries.
    pub fn ring<D: Descriptor, B>(&self, entries: u32) -> Result<Ring<D, B>> {
        Ring::new(self, entries)
    }

    /// Words that this process and the device both read and write, zeroed, aligned to a page. See [`Shared`].
    ///
    /// # Errors
    /// As [`Dma::buffer`]; `InvalidArgument` for none.
    pub fn shared<W: Word>(&self, words: usize) -> Result<Shared<W>> {
        Shared::new(self, words)
    }

    pub(super) fn block(&self, len: usize, align: usize) -> Result<Block> {
        // Asked before too: in a child, the lock may be another thread's for ever.
        self.core.backend()?;
        let mut pool = unpoisoned(&self.core.pool);
        pool.allocate(self.core.backend()?, len, align, self.mask)
    }
}

/// A descriptor's layout: plain bytes without padding, by the derives of [`zerocopy`](crate::zerocopy).
///
/// ```
/// use dirql::zerocopy::little_endian::{U16, U64};
/// use dirql::zerocopy::{FromBytes, IntoBytes};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes)]
/// #[zerocopy(crate = "dirql::zerocopy")]
/// #[repr(C)]
/// struct TransmitDescriptor {
///     address: U64,
///     length: U16,
///     command: [u8; 6],
/// }
///
/// fn is_descriptor<D: dirql::dma::Descriptor>() {}
/// is_descriptor::<TransmitDescriptor>();
/// ```
pub trait Descriptor: zerocopy::FromBytes + zerocopy::IntoBytes + Copy + Send + 'static {}
impl<D: zerocopy::FromBytes + zerocopy::IntoBytes + Copy + Send + 'static> Descriptor for D {}

/// DMA memory that is the CPU's. The device has no address of it.
///
/// ```compile_fail
/// fn device_address(buffer: dirql::dma::Buffer) -> dirql::Iova {
///     buffer.iova() // only memory that is lent has one
/// }
/// ```
pub struct Buffer {
    /// One pointer wide: buffers move in and out of rings a million times a second.
    owned: Box<Owned>,
}

struct Owned {
    block: Block,
    core: Arc<Core>,
    /// Not given back to the pool on drop: the device may still write it.
    lent: bool,
}

impl Buffer {
    /// Bytes.
    #[allow(clippy::len_without_is_empty, reason = "an empty buffer cannot be had")]
    #[inline]
    pub fn len(&self) -> usize {
        self.owned.block.len
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.owned.block.bytes()
    }

    /// The bytes, to write.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.owned.block.bytes_mut()
    }

    /// Lends the memory to the device.
    #[inline]
    pub fn lend(mut self) -> Lent {
        self.owned.lent = true;
        Lent { buffer: self }
    }

    /// Shows the memory to a device that only reads it.
    #[inline]
    pub fn expose(self) -> Exposed {
        Exposed { lent: self.lend() }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // In a child, the pool is nobody's.
        if !self.lent && !self.core.is_forked() {
            unpoisoned(&self.core.pool).free(&self.block);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes at {:#x})", self.owned.block.len, self.owned.block.iova)
    }
}

/// DMA memory that is lent to the device, which may read and write it at any time.
///
/// It cannot be read here:
///
/// ```compile_fail
/// fn peek(lent: &dirql::dma::Lent) -> u8 {
///     lent.bytes()[0]
/// }
/// ```
///
/// Dropped while lent, it is not used again until the device has been closed.
#[derive(Debug)]
#[must_use = "memory that is dropped while lent is lost until the device is closed"]
pub struct Lent {
    buffer: Buffer,
}

impl Lent {
    /// Where the device finds it.
    #[inline]
    pub fn iova(&self) -> Iova {
        Iova(self.buffer.owned.block.iova)
    }

    /// Bytes.
    #[allow(clippy::len_without_is_empty, reason = "an empty buffer cannot be had")]
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.owned.block.len
    }

    /// Takes the memory back. The device has said that it is done with it, or has been stopped.
    #[inline]
    pub fn reclaim(self) -> Buffer {
        std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        let mut buffer = self.buffer;
        buffer.owned.lent = false;
        buffer
    }
}

/// DMA memory that the device may read at any time and never writes, so that the CPU may write it meanwhile: what a
/// display shows. The device may see a write sooner or later, or half of one.
///
/// Dropped while exposed, it is not used again until the device has been closed.
#[derive(Debug)]
#[must_use = "memory that is dropped while exposed is lost until the device is closed"]
pub struct Exposed {
    lent: Lent,
}

impl Exposed {
    /// Where the device finds it.
    pub fn iova(&self) -> Iova {
        self.lent.iova()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.lent.buffer.bytes()
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.lent.buffer.bytes_mut()
    }

    /// Takes the memory back. The device has said that it reads it no more, or has been stopped.
    pub fn reclaim(self) -> Buffer {
        self.lent.reclaim()
    }
}
