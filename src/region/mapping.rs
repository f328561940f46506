//! The parts of a region that are mapped into this process.

use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use memmap2::{Advice, MmapRaw};

use super::ones::Ones;
use super::registry::Registered;
use super::sigbus;
use crate::backend::{Backend, RegionIndex, Window};
use crate::presence::Presence;
use crate::{Address, Code, Error, ErrorKind, Result};

/// A region's mapped windows, and its length. Made once a device, and kept until it is closed.
#[derive(Debug)]
pub struct Mapping {
    windows: Vec<Mapped>,
    /// Bytes of the whole region.
    pub len: u64,
    /// Whether there is anything behind the windows.
    pub presence: Arc<Presence>,
}

/// A window, and where it is.
#[derive(Debug)]
struct Mapped {
    window: Window,
    // Gone before the mapping is.
    _registered: Registered,
    map: MmapRaw,
}

impl Mapping {
    /// Maps what the kernel allows of the region: nothing, where only calls reach it.
    pub fn new(backend: &dyn Backend, index: RegionIndex, presence: &Arc<Presence>) -> Result<Self> {
        let info = backend.region(index)?;
        let fail = |error: &io::Error| {
            Error::io(error, format!("mapping of {}", index.name())).on(backend.address())
        };
        if !info.mappable.is_empty() {
            sigbus::install().map_err(|error| fail(&error))?;
        }
        let map = |&window: &Window| {
            let map = backend.map(index, window)?;
            map.advise(Advice::DontFork).map_err(|error| fail(&error))?;
            // What `pointer` rests on, whoever wrote the backend.
            let aligned = window.offset.is_multiple_of(8) && map.as_ptr().addr().is_multiple_of(8);
            if !aligned || (map.len() as u64) < window.len {
                return Err(Error::new(ErrorKind::Failure, format!("mapping of {}", index.name()))
                    .on(backend.address())
                    .why("the mapping does not hold the window that it is for")
                    .code(Code::E12));
            }
            let pages = Ones::prepare().map_err(|error| fail(&error))?.pages(&range(&map));
            Ok(Mapped { window, _registered: Registered::new(&pages, presence.clone()), map })
        };
        let windows = info.mappable.iter().map(map).collect::<Result<_>>()?;
        Ok(Self { windows, len: info.len, presence: presence.clone() })
    }

    /// Whether all of the region is mapped.
    pub fn is_whole(&self) -> bool {
        self.windows.iter().map(|mapped| mapped.window.len).sum::<u64>() == self.len
    }

    /// Where an aligned `T` at `offset` is mapped; `None` where it is not, or not whole.
    #[inline]
    pub fn pointer<T>(&self, offset: u64) -> Option<NonNull<T>> {
        self.pointer_to(offset, 1)
    }

    /// Where `count` times `T`, one behind the other from an aligned `offset` on, are mapped; `None` where they are not, or
    /// not all in one window.
    #[inline]
    pub fn pointer_to<T>(&self, offset: u64, count: usize) -> Option<NonNull<T>> {
        let size = size_of::<T>() as u64;
        if !offset.is_multiple_of(size) {
            return None;
        }
        let size = size.checked_mul(count as u64)?;
        let Mapped { window, map, .. } = self.windows.iter().find(|Mapped { window, .. }| {
            let within = offset.wrapping_sub(window.offset);
            within < window.len && window.len - within >= size
        })?;
        // The offset lies inside the window, which is as long as its mapping.
        NonNull::new(map.as_mut_ptr().wrapping_add((offset - window.offset) as usize).cast())
    }

    /// Lets go of the device's memory, at once and for good: whoever accesses it reads all ones. The device has been
    /// marked gone.
    ///
    /// # Errors
    /// What the kernel says; as many windows as can be are let go of.
    pub fn withdraw(&self, device: Address) -> Result<()> {
        let withdraw = |map: &MmapRaw| {
            let ones = Ones::prepare()?;
            // SAFETY: the pages are registered, and reached by `pointer` only: a volatile access stands anything.
            unsafe { ones.withdraw(ones.pages(&range(map))) }
        };
        let mut outcome = Ok(());
        for mapped in &self.windows {
            if let Err(error) = withdraw(&mapped.map) {
                outcome = Err(Error::io(&error, "letting go of a BAR").on(device));
            }
        }
        outcome
    }
}

/// The addresses of a mapping.
fn range(map: &MmapRaw) -> Range<usize> {
    let start = map.as_ptr().expose_provenance();
    start..start + map.len()
}
