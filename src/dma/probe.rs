//! Mappings by hand, good ones and such as must be refused: for the self-test.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard};

use memmap2::MmapRaw;

use super::memory::Memory;
use super::pool::Pool;
use super::ranges::RangeAllocator;
use crate::backend::{Backend, Iova, Translation};
use crate::synchronize::unpoisoned;
use crate::{Error, Result};

/// Memory that can be mapped: this process's, or a window of a BAR.
enum Source {
    Memory(Memory),
    Window(MmapRaw),
}

/// One of a [`Probe`]'s memories.
#[derive(Debug, Clone, Copy)]
pub struct Slot(usize);

/// Mappings by hand. While it lives, nothing else can be mapped; when it goes, all its mappings have gone, or their
/// memory is leaked.
pub struct Probe<'a> {
    backend: &'a dyn Backend,
    pool: MutexGuard<'a, Pool>,
    free: RangeAllocator,
    /// Freed only when nothing is mapped and nobody doubts it.
    memories: Vec<Source>,
    mapped: Vec<(u64, usize)>,
    /// Something that was said to be unmapped may not be.
    doubted: bool,
}

impl<'a> Probe<'a> {
    pub fn new(backend: &'a dyn Backend, pool: &'a Mutex<Pool>) -> Result<Self> {
        let pool = unpoisoned(pool);
        let free = pool.free_addresses();
        Ok(Self { backend, pool, free, memories: Vec::new(), mapped: Vec::new(), doubted: false })
    }

    /// The smallest page, in bytes.
    pub fn page(&self) -> u64 {
        self.pool.page()
    }

    /// Whether the pool has mapped nothing, so that everything that is mapped is this probe's.
    pub fn is_alone(&self) -> bool {
        self.pool.is_empty()
    }

    /// Memory of this process, in ordinary pages or in huge ones of 2 to the power of `page`.
    pub fn memory(&mut self, len: usize, page: Option<u8>) -> std::io::Result<Slot> {
        self.memories.push(Source::Memory(Memory::in_pages(len, page)?));
        Ok(Slot(self.memories.len() - 1))
    }

    /// What is mapped of a BAR, as memory.
    pub fn window(&mut self, map: MmapRaw) -> Slot {
        self.memories.push(Source::Window(map));
        Slot(self.memories.len() - 1)
    }

    /// An address from which `len` bytes are free.
    pub fn address(&self, len: u64, align: u64) -> Option<u64> {
        self.free.clone().allocate(len, align, u64::MAX)
    }

    /// Whether nobody has the address.
    pub fn is_free(&self, iova: u64, len: u64) -> bool {
        let last = iova.checked_add(len - 1);
        self.free
            .ranges()
            .any(|range| range.contains(&iova) && last.is_some_and(|last| range.contains(&last)))
    }

    /// Maps `len` bytes from `offset` on of a memory. What the kernel is to refuse may reach beyond the IOVA space, but
    /// not beyond the memory: then nothing is asked for, and EFAULT is the answer.
    pub fn map(&mut self, iova: u64, slot: Slot, offset: usize, len: usize) -> Result<()> {
        let (start, whole) = match &self.memories[slot.0] {
            Source::Memory(memory) => (memory.start(), memory.len()),
            Source::Window(map) => (NonNull::new(map.as_mut_ptr()).unwrap_or(NonNull::dangling()), map.len()),
        };
        if offset.checked_add(len).is_none_or(|end| end > whole) {
            return Err(Error::os(nix::errno::Errno::EFAULT, "mapping of DMA memory")
                .on(self.backend.address())
                .why("the memory for it is shorter"));
        }
        // SAFETY: the offset lies inside the memory.
        let start = unsafe { start.add(offset) };
        // SAFETY: the memory stays in `memories` until everything in `mapped` has been unmapped; nobody else reaches it.
        unsafe { self.backend.map_dma(Iova(iova), start, len) }?;
        self.mapped.push((iova, len));
        Ok(())
    }

    /// Takes back what was mapped there.
    pub fn unmap(&mut self, iova: u64, len: usize) -> Result<()> {
        self.backend.unmap_dma(Iova(iova), len)?;
        self.mapped.retain(|mapped| *mapped != (iova, len));
        Ok(())
    }

    /// Takes everything back; how many bytes were mapped. Only where the probe [is alone](Self::is_alone).
    pub fn unmap_all(&mut self) -> Result<u64> {
        debug_assert!(self.is_alone(), "what the pool has mapped stays");
        let unmapped = self.backend.unmap_all_dma()?;
        let wanted: u64 = self.mapped.iter().map(|(_, len)| *len as u64).sum();
        if unmapped == wanted {
            self.mapped.clear();
        }
        Ok(unmapped)
    }

    /// How the IOMMU translates the address.
    pub fn translation(&self, iova: u64) -> Translation {
        self.backend.translation(Iova(iova))
    }

    /// Has the memory leaked: it may be mapped, whatever was said.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        for (iova, len) in std::mem::take(&mut self.mapped) {
            if let Err(error) = self.backend.unmap_dma(Iova(iova), len) {
                log::debug!("end of the DMA self-test: {error}");
                self.doubted = true;
            }
        }
        if self.doubted {
            self.memories.drain(..).for_each(std::mem::forget);
        }
    }
}
