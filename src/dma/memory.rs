//! Pieces of this process's memory for DMA, and the one place where they are reached.

use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::{Error, Result};

/// The page that pools are made of where the system has huge pages.
pub const HUGE_PAGE: usize = 2 << 20;

/// Anonymous memory, zeroed, not inherited by children.
#[derive(Debug)]
pub struct Memory {
    map: MmapRaw,
    huge: bool,
}

impl Memory {
    /// `len` bytes, in huge pages where `len` allows it and the system has some to spare.
    pub fn new(len: usize) -> Result<Self> {
        let huge = len.is_multiple_of(HUGE_PAGE).then(|| Self::in_pages(len, Some(HUGE_PAGE.ilog2() as u8)));
        huge.and_then(|memory| memory.ok())
            .map_or_else(|| Self::in_pages(len, None), Ok)
            .map_err(|error| Error::io(&error, format!("allocation of {len:#x} bytes of DMA memory")))
    }

    /// `len` bytes in pages of 2 to the power of `page`, or in ordinary ones.
    ///
    /// # Errors
    /// ENOMEM where the system has no such pages to spare.
    pub fn in_pages(len: usize, page: Option<u8>) -> std::io::Result<Self> {
        let mut options = MmapOptions::new();
        options.len(len);
        if page.is_some() {
            options.huge(page);
        }
        let map = options.map_anon()?;
        map.advise(Advice::DontFork)?;
        Ok(Self { map: map.into(), huge: page.is_some() })
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn is_huge(&self) -> bool {
        self.huge
    }

    pub fn start(&self) -> NonNull<u8> {
        // A mapping is never at address 0.
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }
}

/// A part of a [`Memory`] that one owner has.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    pub len: usize,
    pub iova: u64,
    pub chunk: usize,
    pub offset: u64,
}

// SAFETY: a block is the only way to its bytes (`Block::new` asks for that), so it may go to another thread and be
// looked at from several.
unsafe impl Send for Block {}
// SAFETY: as above: through `&Block` the bytes are only read.
unsafe impl Sync for Block {}

impl Block {
    /// The `len` bytes at `offset` of a memory.
    ///
    /// # Safety
    /// The range lies inside `memory`, which outlives the block; no other block covers any of it.
    pub unsafe fn new(memory: &Memory, chunk: usize, iova: u64, offset: u64, len: usize) -> Self {
        // SAFETY: the range lies inside the memory.
        let start = unsafe { memory.start().add(offset as usize) };
        Self { start, len, iova, chunk, offset }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block's bytes are valid and initialised (`Memory` is zeroed), and only it reaches them. A
        // buffer calls this only while it is not lent: that the device then leaves them alone is the driver's word.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`; and the block is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// The `index`th `D` of the block, as the device left it at some time: fields may come from different times.
    #[inline]
    pub fn load<D: zerocopy::FromBytes>(&self, index: usize) -> D {
        // SAFETY: `entry` is inside the block and aligned; any bytes are a `D`; the device may write meanwhile, which
        // is what volatile allows for.
        unsafe { self.entry::<D>(index).read_volatile() }
    }

    /// Writes the `index`th `D` of the block.
    #[inline]
    pub fn store<D: zerocopy::IntoBytes>(&mut self, index: usize, value: D) {
        // SAFETY: as for `load`; `D` has no padding, so every byte written is initialised.
        unsafe { self.entry::<D>(index).write_volatile(value) };
    }

    /// Where the `index`th `W` of the block is, which is valid as long as the block's memory.
    #[inline]
    pub fn word<W>(&self, index: usize) -> NonNull<W> {
        self.entry(index)
    }

    /// The last entry for an index beyond it: a block's entries are counted by who made it.
    #[inline]
    fn entry<D>(&self, index: usize) -> NonNull<D> {
        let last = (self.len / size_of::<D>().max(1)).saturating_sub(1);
        debug_assert!(index <= last && self.start.cast::<D>().is_aligned());
        // SAFETY: the entry lies inside the block: `len` is at least one `D`.
        unsafe { self.start.cast::<D>().add(index.min(last)) }
    }
}
