//! The model's IOMMU: which of this process's memory the device reaches, and at which IOVA.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::errno::Errno;

use super::{Fault, ModelConfig};
use crate::backend::{IommuInfo, Iova, Translation};

const PAGE: u64 = 4096;

struct Memory {
    start: NonNull<u8>,
    len: u64,
}

// SAFETY: the memory stays valid until it is unmapped (the promise of `map`), from whichever thread it is reached; it
// is only ever touched through atomics, below.
unsafe impl Send for Memory {}

/// The mappings, by IOVA.
pub struct Iommu {
    info: IommuInfo,
    mappings: BTreeMap<u64, Memory>,
}

impl Iommu {
    pub fn new(config: &ModelConfig) -> Self {
        let info = IommuInfo {
            ranges: config.iova_ranges.clone(),
            page_sizes: PAGE | 1 << 21 | 1 << 30,
            mappings_left: config.mappings,
        };
        Self { info, mappings: BTreeMap::new() }
    }

    pub fn info(&self) -> IommuInfo {
        self.info.clone()
    }

    /// The refusals of `vfio_dma_do_map`.
    ///
    /// # Safety
    /// As [`crate::backend::Backend::map_dma`].
    pub unsafe fn map(&mut self, iova: Iova, start: NonNull<u8>, len: usize) -> Result<(), Errno> {
        let Iova(iova) = iova;
        let len = len as u64;
        if len == 0 || !(iova | len | start.as_ptr() as u64).is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let last = iova.checked_add(len - 1).ok_or(Errno::EINVAL)?;
        if !self.info.ranges.iter().any(|range| range.contains(&iova) && range.contains(&last)) {
            return Err(Errno::EINVAL);
        }
        let before = self.mappings.range(..=last).next_back();
        if before.is_some_and(|(&start, memory)| start + memory.len > iova) {
            return Err(Errno::EEXIST);
        }
        self.info.mappings_left = self.info.mappings_left.checked_sub(1).ok_or(Errno::ENOSPC)?;
        self.mappings.insert(iova, Memory { start, len });
        Ok(())
    }

    pub fn unmap(&mut self, iova: Iova, len: usize) -> Result<(), Errno> {
        match self.mappings.get(&iova.0) {
            Some(memory) if memory.len == len as u64 => {
                self.mappings.remove(&iova.0);
                self.info.mappings_left += 1;
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Every mapping goes; how many bytes they had.
    pub fn unmap_all(&mut self) -> u64 {
        self.info.mappings_left += self.mappings.len() as u32;
        std::mem::take(&mut self.mappings).values().map(|memory| memory.len).sum()
    }

    /// The largest page that fits the mapping around the address, in the IOVA space and in memory.
    pub fn translation(&self, Iova(iova): Iova) -> Translation {
        let around = self.mappings.range(..=iova).next_back();
        let Some((start, memory)) = around.filter(|(start, memory)| iova - **start < memory.len) else {
            return Translation::Nowhere;
        };
        let sizes = (0..64).rev().map(|bit| 1_u64 << bit).filter(|size| self.info.page_sizes & size != 0);
        let fits = |size: &u64| {
            let first = iova & !(size - 1);
            first >= *start
                && first - start + size <= memory.len
                && (memory.start.as_ptr() as u64 + (first - start)).is_multiple_of(*size)
        };
        Translation::Page(sizes.into_iter().find(fits).unwrap_or(PAGE))
    }

    /// Every mapping goes, as with the container's last descriptor.
    pub fn close(&mut self) {
        self.mappings.clear();
    }

    pub fn mapped(&self) -> usize {
        self.mappings.len()
    }

    pub fn read(&self, iova: Iova, data: &mut [u8]) -> Result<(), Fault> {
        let bytes = self.reach(iova, data.len())?;
        for (byte, cell) in data.iter_mut().zip(bytes) {
            *byte = cell.load(Ordering::Relaxed);
        }
        Ok(())
    }

    pub fn write(&self, iova: Iova, data: &[u8]) -> Result<(), Fault> {
        let bytes = self.reach(iova, data.len())?;
        for (byte, cell) in data.iter().zip(bytes) {
            cell.store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The memory of a range that lies in one mapping. Borrowing `self` keeps it mapped meanwhile.
    fn reach(&self, iova: Iova, len: usize) -> Result<&[AtomicU8], Fault> {
        let fault = Fault { iova, len };
        let (&start, memory) = self.mappings.range(..=iova.0).next_back().ok_or(fault)?;
        let offset = iova.0 - start;
        if offset.checked_add(len as u64).is_none_or(|end| end > memory.len) {
            return Err(fault);
        }
        // SAFETY: `map` promised `memory.len` valid bytes until `unmap`, and the range lies inside them. AtomicU8 has
        // the layout of u8, and the process treats the memory as shared with the device.
        Ok(unsafe { std::slice::from_raw_parts(memory.start.as_ptr().add(offset as usize).cast(), len) })
    }
}
