//! A backend around the model's that keeps what it was handed, or hands out what it should not.

use std::fs::File;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use dirql::backend::model::ModelBackend;
use dirql::backend::{Backend, IommuInfo, IrqIndex, IrqInfo, RegionIndex, RegionInfo, Translation, Window};
use dirql::{Address, Error, ErrorKind, Iova, Result};
use memmap2::{MmapOptions, MmapRaw};
use vmm_sys_util::eventfd::EventFd;

/// What the spy keeps and does.
#[derive(Debug)]
pub struct Spy {
    /// The model behind.
    pub model: ModelBackend,
    /// Every eventfd that was attached to a vector.
    pub eventfds: Arc<Mutex<Vec<EventFd>>>,
    /// BAR 0 claims to be mappable here, and is mapped by so many bytes.
    pub mappable: Option<(Window, usize)>,
    /// What is mapped there; nobody's memory where it is none.
    pub file: Option<File>,
    /// Where it was mapped.
    pub mapped_at: Arc<AtomicUsize>,
    /// No eventfd is taken.
    pub refuses: Arc<AtomicBool>,
    /// Met when closing begins, and again before it ends.
    pub closing: Option<Arc<Barrier>>,
}

impl Spy {
    /// A spy that lies about nothing.
    pub fn on(model: ModelBackend) -> Self {
        Self {
            model,
            eventfds: Arc::default(),
            mappable: None,
            file: None,
            mapped_at: Arc::default(),
            refuses: Arc::default(),
            closing: None,
        }
    }
}

impl Backend for Spy {
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
        let mut info = self.model.region(index)?;
        if let (0, Some((window, _))) = (index.0, self.mappable) {
            info.mappable = vec![window];
            info.len = window.offset + window.len;
        }
        Ok(info)
    }

    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()> {
        self.model.read(index, offset, data)
    }

    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()> {
        self.model.write(index, offset, data)
    }

    fn map(&self, _: RegionIndex, _: Window) -> Result<MmapRaw> {
        let (_, len) = self.mappable.unwrap();
        let map = match &self.file {
            Some(file) => MmapOptions::new().len(len).map_raw(file).unwrap(),
            None => MmapOptions::new().len(len).map_anon().unwrap().into(),
        };
        self.mapped_at.store(map.as_mut_ptr().expose_provenance(), Ordering::Release);
        Ok(map)
    }

    fn irq(&self, index: IrqIndex) -> Result<IrqInfo> {
        self.model.irq(index)
    }

    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>> {
        if index == IrqIndex::Request {
            return self.model.set_trigger(index, start, eventfds);
        }
        if self.refuses.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Busy, "a test").on(self.address()));
        }
        let copies = eventfds.iter().flatten().map(|eventfd| eventfd.try_clone().unwrap());
        self.eventfds.lock().unwrap().extend(copies);
        self.model.set_trigger(index, start, eventfds)
    }

    fn release(&self, index: IrqIndex) -> Result<()> {
        self.model.release(index)
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

    fn unmap_all_dma(&self) -> Result<u64> {
        self.model.unmap_all_dma()
    }

    fn translation(&self, iova: Iova) -> Translation {
        self.model.translation(iova)
    }

    fn close(&self) -> Result<()> {
        let meet = || self.closing.as_ref().map(|closing| closing.wait());
        meet();
        let closed = self.model.close();
        meet();
        closed
    }
}
