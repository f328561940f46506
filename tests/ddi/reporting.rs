//! A model whose device reports errors and can be pulled out.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dirql::backend::model::{Bus, ModelBackend};
use dirql::backend::{Backend, IommuInfo, IrqIndex, IrqInfo, RegionIndex, RegionInfo, Window};
use dirql::{Address, Device, Iova, Result};
use memmap2::MmapRaw;
use vmm_sys_util::eventfd::EventFd;

use crate::support::silent_backend;

/// A silent device that can report errors.
pub fn reporting() -> (Device, Bus, Errors) {
    let (model, errors) = (silent_backend(|_| ()), Errors::default());
    let bus = model.bus();
    (Device::from_backend(Reporting { model, errors: errors.clone() }).unwrap(), bus, errors)
}

/// The error source, and the hand that pulls the device out.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    eventfd: Arc<Mutex<Option<EventFd>>>,
    pulled: Arc<AtomicBool>,
}

impl Errors {
    /// The device reports an error; lost where nobody listens.
    pub fn raise(&self) {
        if let Some(eventfd) = &*self.eventfd.lock().unwrap() {
            eventfd.write(1).unwrap();
        }
    }

    /// From now on, the device reads as all ones.
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::Release);
    }
}

#[derive(Debug)]
struct Reporting {
    model: ModelBackend,
    errors: Errors,
}

impl Backend for Reporting {
    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()> {
        if self.errors.pulled.load(Ordering::Acquire) {
            data.fill(0xff);
            return Ok(());
        }
        self.model.read(index, offset, data)
    }

    fn irq(&self, index: IrqIndex) -> Result<IrqInfo> {
        let info = self.model.irq(index)?;
        Ok(if index == IrqIndex::Error { IrqInfo { count: 1, ..info } } else { info })
    }

    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>> {
        if index == IrqIndex::Error {
            assert_eq!((start, eventfds.len()), (0, 1));
            *self.errors.eventfd.lock().unwrap() = eventfds[0].map(|eventfd| eventfd.try_clone().unwrap());
            return Ok(None);
        }
        self.model.set_trigger(index, start, eventfds)
    }

    fn release(&self, index: IrqIndex) -> Result<()> {
        if index == IrqIndex::Error {
            *self.errors.eventfd.lock().unwrap() = None;
            return Ok(());
        }
        self.model.release(index)
    }

    fn address(&self) -> Address {
        self.model.address()
    }

    fn resettable(&self) -> bool {
        self.model.resettable()
    }

    fn reset(&self) -> Result<()> {
        self.model.reset()
    }

    fn region(&self, index: RegionIndex) -> Result<RegionInfo> {
        self.model.region(index)
    }

    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()> {
        self.model.write(index, offset, data)
    }

    fn map(&self, index: RegionIndex, window: Window) -> Result<MmapRaw> {
        self.model.map(index, window)
    }

    fn fire(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.model.fire(index, vector)
    }

    fn unmask(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.model.unmask(index, vector)
    }

    fn iommu(&self) -> Result<IommuInfo> {
        self.model.iommu()
    }

    unsafe fn map_dma(&self, iova: Iova, memory: NonNull<u8>, len: usize) -> Result<()> {
        // SAFETY: the caller's promise is handed on.
        unsafe { self.model.map_dma(iova, memory, len) }
    }

    fn unmap_dma(&self, iova: Iova, len: usize) -> Result<()> {
        self.model.unmap_dma(iova, len)
    }
}
