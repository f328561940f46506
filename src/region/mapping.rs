//! The parts of a region that are mapped into this process.

use std::ptr::NonNull;

use memmap2::{Advice, MmapRaw};

use crate::backend::{Backend, RegionIndex, Window};
use crate::{Code, Error, ErrorKind, Result};

/// A region's mapped windows, and its length. Made once a device, and kept until it is closed.
#[derive(Debug)]
pub struct Mapping {
    windows: Vec<(Window, MmapRaw)>,
    /// Bytes of the whole region.
    pub len: u64,
}

impl Mapping {
    /// Maps what the kernel allows of the region: nothing, where only calls reach it.
    pub fn new(backend: &dyn Backend, index: RegionIndex) -> Result<Self> {
        let info = backend.region(index)?;
        let map = |&window: &Window| {
            let map = backend.map(index, window)?;
            map.advise(Advice::DontFork).map_err(|error| {
                Error::io(&error, format!("mapping of {}", index.name())).on(backend.address())
            })?;
            // What `pointer` rests on, whoever wrote the backend.
            let aligned = window.offset.is_multiple_of(8) && map.as_ptr().addr().is_multiple_of(8);
            if !aligned || (map.len() as u64) < window.len {
                return Err(Error::new(ErrorKind::Failure, format!("mapping of {}", index.name()))
                    .on(backend.address())
                    .why("the mapping does not hold the window that it is for")
                    .code(Code::E12));
            }
            Ok((window, map))
        };
        Ok(Self { windows: info.mappable.iter().map(map).collect::<Result<_>>()?, len: info.len })
    }

    /// Whether all of the region is mapped.
    pub fn is_whole(&self) -> bool {
        self.windows.iter().map(|(window, _)| window.len).sum::<u64>() == self.len
    }

    /// Where an aligned `T` at `offset` is mapped; `None` where it is not, or not whole.
    #[inline]
    pub fn pointer<T>(&self, offset: u64) -> Option<NonNull<T>> {
        let size = size_of::<T>() as u64;
        if !offset.is_multiple_of(size) {
            return None;
        }
        let (window, map) = self.windows.iter().find(|(window, _)| {
            let within = offset.wrapping_sub(window.offset);
            within < window.len && window.len - within >= size
        })?;
        // The offset lies inside the window, which is as long as its mapping.
        NonNull::new(map.as_mut_ptr().wrapping_add((offset - window.offset) as usize).cast())
    }
}
