//! Mapped memory in large pieces, given out in small ones.

use nix::errno::Errno;

use super::DmaMask;
use super::memory::{Block, HUGE_PAGE, Memory};
use super::ranges::RangeAllocator;
use super::usage::DmaUsage;
use crate::backend::{Backend, IommuInfo, Iova};
use crate::{Code, Error, ErrorKind, Result};

/// A mapped memory, and which of it is free.
#[derive(Debug)]
struct Chunk {
    memory: Memory,
    iova: u64,
    free: RangeAllocator,
    /// The device may reach it.
    mapped: bool,
}

/// All DMA memory of a device. It only grows, until the device is closed.
#[derive(Debug)]
pub struct Pool {
    page: u64,
    /// Mappings that fitted when the device was opened.
    mappings_at_most: u32,
    addresses: RangeAllocator,
    chunks: Vec<Chunk>,
}

impl Pool {
    pub fn new(iommu: &IommuInfo) -> Self {
        let page = iommu.page_size().max(4096);
        // Address 0 is left out: to many a device it means "none".
        let addresses =
            iommu.ranges.iter().map(|range| (*range.start()).max(page).next_multiple_of(page)..=*range.end());
        Self {
            page,
            mappings_at_most: iommu.mappings_left,
            addresses: RangeAllocator::new(addresses),
            chunks: Vec::new(),
        }
    }

    /// `len` bytes, zeroed, aligned to `align` (a power of two up to a page) in memory and in IOVA.
    pub fn allocate(
        &mut self,
        backend: &dyn Backend,
        len: usize,
        align: usize,
        mask: DmaMask,
    ) -> Result<Block> {
        if len == 0 || !align.is_power_of_two() || align as u64 > self.page {
            return Err(Error::new(ErrorKind::InvalidArgument, "allocation of DMA memory")
                .on(backend.address())
                .errno(Errno::EINVAL)
                .why(format!("{len} bytes aligned to {align} are not to be had")));
        }
        if let Some(block) = self.take(len, align, mask) {
            return Ok(block);
        }
        self.grow(backend, len, mask)?;
        self.take(len, align, mask).ok_or_else(|| no_address(backend, len as u64, mask))
    }

    fn take(&mut self, len: usize, align: usize, mask: DmaMask) -> Option<Block> {
        self.chunks.iter_mut().enumerate().find_map(|(index, chunk)| {
            let reach = mask.last().checked_sub(chunk.iova)?;
            let offset = chunk.free.allocate(len as u64, align as u64, reach)?;
            // SAFETY: the allocator gives out what lies inside the chunk and nobody else has. Chunks are dropped only
            // by `close`, when the device is closed, and every owner of a block keeps the device open.
            let mut block = unsafe { Block::new(&chunk.memory, index, chunk.iova + offset, offset, len) };
            block.bytes_mut().fill(0);
            Some(block)
        })
    }

    /// Maps a chunk that holds `len` bytes: a huge page's worth, or where the memlock limit refuses that, as much as
    /// is needed. Of more than a huge page, too, as much as is needed, unless it lies in huge pages.
    fn grow(&mut self, backend: &dyn Backend, len: usize, mask: DmaMask) -> Result<()> {
        let need =
            (len as u64).checked_next_multiple_of(self.page).filter(|&need| usize::try_from(need).is_ok());
        let need = need.ok_or_else(|| no_address(backend, len as u64, mask))? as usize;
        let new = |len| Memory::new(len).map_err(|error| error.on(backend.address()));
        let mut memory = new(need.next_multiple_of(HUGE_PAGE))?;
        if need > HUGE_PAGE && !memory.is_huge() {
            memory = new(need)?;
        }
        let pooled = memory.len();
        match self.map(backend, memory, mask) {
            Err(error) if need < pooled => {
                log::debug!("DMA memory: {need:#x} bytes instead of {pooled:#x}: {error}");
                self.map(backend, new(need)?, mask)
            }
            outcome => outcome,
        }
    }

    fn map(&mut self, backend: &dyn Backend, memory: Memory, mask: DmaMask) -> Result<()> {
        let len = memory.len();
        let align = if memory.is_huge() { HUGE_PAGE as u64 } else { self.page };
        let iova = self
            .addresses
            .allocate(len as u64, align, mask.last())
            .ok_or_else(|| no_address(backend, len as u64, mask))?;
        // SAFETY: the memory stays, in `chunks`, until it has been unmapped or the backend has been dropped.
        if let Err(error) = unsafe { backend.map_dma(Iova(iova), memory.start(), len) } {
            self.addresses.free(iova, len as u64);
            return Err(error);
        }
        let free = RangeAllocator::new([0..=len as u64 - 1]);
        self.chunks.push(Chunk { memory, iova, free, mapped: true });
        Ok(())
    }

    pub fn free(&mut self, block: &Block) {
        let freed = self
            .chunks
            .get_mut(block.chunk)
            .is_some_and(|chunk| chunk.free.free(block.offset, block.len as u64));
        debug_assert!(freed, "a block is freed once, into its chunk");
    }

    /// How much of it there is.
    pub fn usage(&self) -> DmaUsage {
        let mapped = || self.chunks.iter().filter(|chunk| chunk.mapped);
        let bytes = mapped().map(|chunk| chunk.memory.len() as u64).sum();
        let free: u64 = mapped().map(|chunk| chunk.free.available()).sum();
        let mappings = mapped().count() as u32;
        DmaUsage {
            mapped_bytes: bytes,
            used_bytes: bytes - free,
            mappings,
            mappings_left: self.mappings_at_most.saturating_sub(mappings),
        }
    }

    /// Takes everything away from the device, which no longer masters the bus. The memory stays its owners'.
    pub fn unmap_all(&mut self, backend: &dyn Backend) -> Result<()> {
        let mut outcome = Ok(());
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.mapped) {
            match backend.unmap_dma(Iova(chunk.iova), chunk.memory.len()) {
                Ok(()) => chunk.mapped = false,
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// As [`Pool::unmap_all`], and frees the memory, which nobody has any more. What stays mapped is leaked: the device
    /// might still reach it.
    pub fn close(&mut self, backend: &dyn Backend) -> Result<()> {
        let outcome = self.unmap_all(backend);
        self.chunks.drain(..).filter(|chunk| chunk.mapped).for_each(std::mem::forget);
        outcome
    }

    /// Leaves the memory where it is: for a child of a fork, which has inherited none of it.
    pub fn forget(&mut self) {
        self.chunks.drain(..).for_each(std::mem::forget);
    }
}

fn no_address(backend: &dyn Backend, len: u64, mask: DmaMask) -> Error {
    Error::new(ErrorKind::Precondition, format!("allocation of {len:#x} bytes of DMA memory"))
        .on(backend.address())
        .why(format!(
            "no free range that the IOMMU allows lies below {:#x}, where the device reaches",
            mask.last()
        ))
        .code(Code::E10)
}
