//! A backend around the model's that breaks one promise.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use dirql::backend::model::ModelBackend;
use dirql::backend::{Backend, IommuInfo, IrqIndex, IrqInfo, RegionIndex, RegionInfo, Translation, Window};
use dirql::{Address, Error, Iova, Result};
use memmap2::MmapRaw;
use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// None: the control.
    Nothing,
    /// The ids read as ones.
    IdsAreOnes,
    /// The list of capabilities has no end.
    ListWithoutEnd,
    /// Bus mastering is on at first.
    MastersAtFirst,
    /// COMMAND cannot be set.
    NeverMasters,
    /// COMMAND cannot be cleared.
    AlwaysMasters,
    /// A BAR is offered to be mapped, and is not.
    MapsNoBar,
    /// No interrupt can be enabled.
    EnablesNothing,
    /// Vector 1 is never raised.
    LosesVector1,
    /// Vectors are raised twice.
    RaisesTwice,
    /// Interrupts stay enabled.
    NeverReleases,
    /// What overlaps is accepted.
    AcceptsOverlap,
    /// What is malformed is accepted.
    AcceptsMalformed,
    /// What wraps around is accepted.
    AcceptsOverflow,
    /// The errno of a refusal is another.
    OtherErrno,
    /// The last page cannot be mapped.
    RefusesLastPage,
    /// Nothing can be mapped.
    MapsNothing,
    /// Unmapping is refused.
    NeverUnmaps,
    /// Unmapping is a lie.
    KeepsMappings,
    /// Unmapping of what is not there is accepted.
    UnmapsNothing,
    /// A part of a mapping can be unmapped.
    UnmapsParts,
    /// Unmapping of all counts wrongly.
    CountsNoBytes,
    /// Mappings are not counted.
    CountsNoMappings,
    /// Translation is by half a page.
    TranslatesByHalves,
    /// What was unmapped is translated.
    TranslatesForEver,
    /// A reset fails.
    NeverResets,
    /// A reset makes another device of it.
    ResetsToAnother,
}

/// The model, broken.
#[derive(Debug)]
pub struct Broken {
    pub model: ModelBackend,
    pub how: Break,
    pub was_reset: AtomicBool,
}

impl Broken {
    pub fn new(model: ModelBackend, how: Break) -> Self {
        Self { model, how, was_reset: AtomicBool::new(false) }
    }

    fn refuse<T>(&self, errno: Errno) -> Result<T> {
        Err(Error::os(errno, "a test").on(self.address()))
    }

    fn forgives(&self, errno: Option<Errno>, iova: u64, len: usize) -> bool {
        let wraps = iova.checked_add(len as u64).is_none();
        match self.how {
            Break::AcceptsOverlap => errno == Some(Errno::EEXIST),
            Break::AcceptsMalformed => errno == Some(Errno::EINVAL) && !wraps,
            Break::AcceptsOverflow => wraps,
            _ => false,
        }
    }
}

impl Backend for Broken {
    fn address(&self) -> Address {
        self.model.address()
    }

    fn resettable(&self) -> bool {
        self.model.resettable()
    }

    fn reset(&self) -> Result<()> {
        self.was_reset.store(true, Ordering::Relaxed);
        if self.how == Break::NeverResets { self.refuse(Errno::EIO) } else { self.model.reset() }
    }

    fn region(&self, index: RegionIndex) -> Result<RegionInfo> {
        let mut info = self.model.region(index)?;
        if self.how == Break::MapsNoBar && index.0 == 0 {
            info.mappable = vec![Window { offset: 0, len: info.len }];
        }
        Ok(info)
    }

    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()> {
        self.model.read(index, offset, data)?;
        if index != RegionIndex::CONFIG {
            return Ok(());
        }
        let mut put = |register: u64, value: u8| {
            let at = register.checked_sub(offset).and_then(|at| data.get_mut(at as usize));
            at.into_iter().for_each(|byte| *byte = value);
        };
        match self.how {
            Break::IdsAreOnes => (0..4).for_each(|register| put(register, 0xff)),
            // The pointer of the first capability, which stands at 0x40.
            Break::ListWithoutEnd => put(0x41, 0x40),
            Break::MastersAtFirst | Break::AlwaysMasters => put(4, 0x06),
            Break::ResetsToAnother if self.was_reset.load(Ordering::Relaxed) => put(2, 0x77),
            _ => {}
        }
        Ok(())
    }

    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()> {
        if self.how == Break::NeverMasters && index == RegionIndex::CONFIG {
            return Ok(());
        }
        self.model.write(index, offset, data)
    }

    fn map(&self, index: RegionIndex, window: Window) -> Result<MmapRaw> {
        self.model.map(index, window)
    }

    fn irq(&self, index: IrqIndex) -> Result<IrqInfo> {
        self.model.irq(index)
    }

    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>> {
        let is_vector = !matches!(index, IrqIndex::Request | IrqIndex::Error);
        if self.how == Break::EnablesNothing && is_vector {
            return self.refuse(Errno::EINVAL);
        }
        self.model.set_trigger(index, start, eventfds)
    }

    fn release(&self, index: IrqIndex) -> Result<()> {
        if self.how == Break::NeverReleases { Ok(()) } else { self.model.release(index) }
    }

    fn fire(&self, index: IrqIndex, vector: u32) -> Result<()> {
        match self.how {
            Break::LosesVector1 if vector == 1 => Ok(()),
            Break::RaisesTwice => {
                self.model.fire(index, vector)?;
                self.model.fire(index, vector)
            }
            _ => self.model.fire(index, vector),
        }
    }

    fn unmask(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.model.unmask(index, vector)
    }

    fn iommu(&self) -> Result<IommuInfo> {
        let mut info = self.model.iommu()?;
        if self.how == Break::CountsNoMappings {
            info.mappings_left = 65535;
        }
        Ok(info)
    }

    unsafe fn map_dma(&self, iova: Iova, memory: NonNull<u8>, len: usize) -> Result<()> {
        let last = self.model.iommu()?.ranges.last().map_or(0, |range| *range.end());
        if self.how == Break::MapsNothing || self.how == Break::RefusesLastPage && iova.0 + 0xfff == last {
            return self.refuse(Errno::EIO);
        }
        // SAFETY: the caller's promise is handed on.
        match unsafe { self.model.map_dma(iova, memory, len) } {
            Err(error) if self.forgives(error.raw_errno(), iova.0, len) => Ok(()),
            Err(_) if self.how == Break::OtherErrno => self.refuse(Errno::EIO),
            outcome => outcome,
        }
    }

    fn unmap_dma(&self, iova: Iova, len: usize) -> Result<()> {
        match self.how {
            Break::NeverUnmaps => self.refuse(Errno::EIO),
            Break::KeepsMappings => Ok(()),
            Break::UnmapsNothing => self.model.unmap_dma(iova, len).or(Ok(())),
            Break::UnmapsParts if len == 4096 => self.model.unmap_dma(iova, len).or(Ok(())),
            Break::AcceptsOverflow if iova.0.checked_add(len as u64).is_none() => Ok(()),
            _ => self.model.unmap_dma(iova, len),
        }
    }

    fn unmap_all_dma(&self) -> Result<u64> {
        let bytes = self.model.unmap_all_dma()?;
        Ok(if self.how == Break::CountsNoBytes { 0 } else { bytes })
    }

    fn translation(&self, iova: Iova) -> Translation {
        match (self.how, self.model.translation(iova)) {
            (Break::TranslatesByHalves, Translation::Page(size)) => Translation::Page(size / 2),
            (Break::TranslatesForEver, Translation::Nowhere) => Translation::Page(4096),
            (_, seen) => seen,
        }
    }

    fn close(&self) -> Result<()> {
        self.model.close()
    }
}
