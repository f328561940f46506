//! A device in this process: the same trait, with software where the hardware would be.
//!
//! A [`Model`] answers register accesses; the [`Bus`] is its way out: interrupts by eventfd and DMA through a checked
//! IOVA space. What VFIO and the kernel do around a real device is done here the same way: bus mastering is off at
//! first and gates DMA, INTx is masked when it fires, and only one kind of interrupt is enabled at a time. The
//! [`Bus`] also keeps counts that a test can believe, because no driver can write them; and it is the host, which asks
//! for the device back, and the hand that pulls it out.

mod bus;
mod config;
mod iommu;
mod irqs;

use std::fmt;
use std::ops::RangeInclusive;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use memmap2::MmapRaw;
use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

pub use self::bus::{Act, Bus, Fault};
use super::refusal::Refused;
use super::{Backend, IommuInfo, Iova, IrqIndex, IrqInfo, RegionIndex, RegionInfo, Translation, Window};
use crate::host::Host;
use crate::synchronize::unpoisoned;
use crate::{Address, Error, ErrorKind, Result};

/// A device as software: what its registers do.
pub trait Model: Send + 'static {
    /// The device is read at `offset` of a BAR. `data` has the length of the access, and arrives zeroed.
    fn read(&mut self, bus: &Bus, bar: u8, offset: u64, data: &mut [u8]);

    /// The device is written at `offset` of a BAR. `data` has the length of the access.
    fn write(&mut self, bus: &Bus, bar: u8, offset: u64, data: &[u8]);

    /// The device is reset by its function; called only where [`ModelConfig::resettable`] says so.
    fn reset(&mut self, _bus: &Bus) {}
}

/// What the model's function looks like from outside.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Where it pretends to sit.
    pub address: Address,
    /// Vendor and device id.
    pub id: (u16, u16),
    /// The class code, 24 bits.
    pub class: u32,
    /// The length of each BAR, in bytes; 0 for none.
    pub bars: [u64; 6],
    /// Has an interrupt pin.
    pub intx: bool,
    /// How many MSI messages.
    pub msi: u16,
    /// How many MSI-X vectors.
    pub msix: u16,
    /// The set of MSI-X vectors may grow while enabled, as on kernels from 6.5.
    pub dynamic_msix: bool,
    /// How many message vectors the host can give; more are refused, and this number is told.
    pub vectors_available: u32,
    /// Further capabilities, each as it stands in configuration space from its ID on; the next pointer is filled in.
    pub capabilities: Vec<Vec<u8>>,
    /// Has an error source, as PCIe functions do.
    pub error: bool,
    /// Has a request source: the host can ask for it back.
    pub request: bool,
    /// Can be reset.
    pub resettable: bool,
    /// Where the IOMMU allows mappings.
    pub iova_ranges: Vec<RangeInclusive<u64>>,
    /// How many mappings the IOMMU holds at most.
    pub mappings: u32,
}

impl ModelConfig {
    /// A function with the given id that the host can ask for back, and none of everything else, behind an IOMMU of 39
    /// bits with the x86 gap.
    pub fn new(vendor: u16, device: u16) -> Self {
        Self {
            address: "0000:00:1f.0".parse().unwrap_or_else(|_| unreachable!("a literal address")),
            id: (vendor, device),
            class: 0x00ff_0000,
            bars: [0; 6],
            intx: false,
            msi: 0,
            msix: 0,
            dynamic_msix: false,
            vectors_available: u32::MAX,
            capabilities: Vec::new(),
            error: false,
            request: true,
            resettable: false,
            iova_ranges: vec![0..=0xfedf_ffff, 0xfef0_0000..=0x7f_ffff_ffff],
            mappings: 65535,
        }
    }
}

/// A function whose other side is a [`Model`].
pub struct ModelBackend {
    config: ModelConfig,
    bus: Bus,
    model: Arc<Mutex<dyn Model>>,
}

impl fmt::Debug for ModelBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelBackend").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ModelBackend {
    /// Puts `model` on a bus of its own. Clone the [`Bus`] to fire interrupts or look on from a test.
    pub fn new(config: ModelConfig, model: impl Model) -> Self {
        let bus = Bus::new(&config);
        Self { config, bus, model: Arc::new(Mutex::new(model)) }
    }

    /// The bus, as the model sees it.
    pub fn bus(&self) -> Bus {
        self.bus.clone()
    }

    fn fail(&self, errno: Errno, operation: impl Into<String>) -> Error {
        Error::os(errno, operation).on(self.config.address)
    }

    /// As the kernel's refusal is explained.
    fn irqs_refused(&self, errno: Errno, refused: &Refused) -> Error {
        refused.explain(&Host::system(), self.config.address, errno)
    }

    /// Nothing, where the function is not closed.
    fn open(&self, operation: &str) -> Result<()> {
        if self.bus.is_closed() { Err(self.fail(Errno::EBADF, operation)) } else { Ok(()) }
    }

    /// The BAR, where the range lies in one.
    fn bar(&self, index: RegionIndex, offset: u64, len: usize) -> Result<u8> {
        let end = offset.checked_add(len as u64);
        match self.config.bars.get(index.0 as usize) {
            Some(&bar_len) if end.is_some_and(|end| end <= bar_len) => Ok(index.0 as u8),
            _ => Err(Error::new(ErrorKind::InvalidArgument, format!("access to {}", index.name()))
                .on(self.config.address)
                .why(format!("{len} bytes at {offset:#x} are outside the region"))),
        }
    }
}

impl Backend for ModelBackend {
    fn address(&self) -> Address {
        self.config.address
    }

    fn resettable(&self) -> bool {
        self.config.resettable
    }

    fn reset(&self) -> Result<()> {
        self.open("reset")?;
        if !self.config.resettable {
            return Err(self.fail(Errno::EINVAL, "reset"));
        }
        self.bus.config().reset();
        self.bus.acted(Act::Reset);
        unpoisoned(&self.model).reset(&self.bus);
        Ok(())
    }

    fn region(&self, index: RegionIndex) -> Result<RegionInfo> {
        let len = match index {
            RegionIndex::CONFIG => config::LEN as u64,
            RegionIndex(bar) => self.config.bars.get(bar as usize).copied().unwrap_or(0),
        };
        Ok(RegionInfo { len, readable: len > 0, writable: len > 0, mappable: Vec::new() })
    }

    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()> {
        self.open("reading")?;
        if self.bus.is_pulled() {
            data.fill(0xff);
            return Ok(());
        }
        if index == RegionIndex::CONFIG {
            return self
                .bus
                .config()
                .read(offset, data)
                .map_err(|errno| self.fail(errno, "reading of config"));
        }
        let bar = self.bar(index, offset, data.len())?;
        data.fill(0);
        unpoisoned(&self.model).read(&self.bus, bar, offset, data);
        Ok(())
    }

    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()> {
        self.open("writing")?;
        if self.bus.is_pulled() {
            return Ok(());
        }
        if index == RegionIndex::CONFIG {
            let before = self.bus.bus_master();
            let written = self.bus.config().write(offset, data);
            let after = self.bus.bus_master();
            if before != after {
                self.bus.acted(Act::BusMaster(after));
            }
            return written.map_err(|errno| self.fail(errno, "writing of config"));
        }
        let bar = self.bar(index, offset, data.len())?;
        unpoisoned(&self.model).write(&self.bus, bar, offset, data);
        Ok(())
    }

    fn map(&self, index: RegionIndex, _window: Window) -> Result<MmapRaw> {
        let operation = format!("mapping of {}", index.name());
        Err(Host::system().explain_region(self.config.address, Errno::EINVAL, operation, None, &[]))
    }

    fn irq(&self, index: IrqIndex) -> Result<IrqInfo> {
        self.open("reading of interrupt information")?;
        Ok(self.bus.irqs().info(index))
    }

    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>> {
        self.open("enabling of interrupts")?;
        let count = eventfds.len() as u32;
        let copies = eventfds
            .iter()
            .map(|eventfd| eventfd.map(EventFd::try_clone).transpose())
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| Error::io(&error, "copying of an eventfd").on(self.config.address))?;
        let (set, offered, active) = {
            let mut irqs = self.bus.irqs();
            let (offered, active) = (irqs.info(index).count, irqs.on());
            (irqs.set_trigger(index, start, copies), offered, active)
        };
        let refused = Refused { index, start, count, offered: Some(offered), active };
        set.map_err(|errno| self.irqs_refused(errno, &refused))
    }

    fn release(&self, index: IrqIndex) -> Result<()> {
        self.open("release of interrupts")?;
        self.bus.acted(Act::Released);
        self.bus.irqs().release(index).map_err(|errno| self.fail(errno, format!("release of {index}")))
    }

    fn fire(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.open("firing")?;
        self.bus.irqs().fire(index, vector).map_err(|errno| self.fail(errno, format!("firing of {index}")))
    }

    fn unmask(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.open("unmasking")?;
        let refused = Refused { index, start: vector, count: 1, offered: Some(u32::MAX), active: None };
        self.bus.irqs().unmask(index, vector).map_err(|errno| self.irqs_refused(errno, &refused))
    }

    fn iommu(&self) -> Result<IommuInfo> {
        self.open("reading of the IOMMU's information")?;
        Ok(self.bus.iommu().info())
    }

    unsafe fn map_dma(&self, iova: Iova, memory: NonNull<u8>, len: usize) -> Result<()> {
        self.open("mapping of DMA memory")?;
        // SAFETY: the caller promises what the model's IOMMU asks for: the same as this trait.
        unsafe { self.bus.iommu().map(iova, memory, len) }.map_err(|errno| {
            let host = Host::system();
            let (address, limits, ranges) = (self.config.address, host.limits(), &self.config.iova_ranges);
            host.explain_map(address, errno, iova.0, len as u64, &limits, ranges)
        })
    }

    fn unmap_dma(&self, iova: Iova, len: usize) -> Result<()> {
        self.open("unmapping of DMA memory")?;
        self.bus.acted(Act::Unmapped);
        self.bus
            .iommu()
            .unmap(iova, len)
            .map_err(|errno| self.fail(errno, "unmapping of DMA memory").range(iova.0, len as u64))
    }

    fn unmap_all_dma(&self) -> Result<u64> {
        self.open("unmapping of all DMA memory")?;
        self.bus.acted(Act::Unmapped);
        Ok(self.bus.iommu().unmap_all())
    }

    fn translation(&self, iova: Iova) -> Translation {
        self.bus.iommu().translation(iova)
    }

    fn close(&self) -> Result<()> {
        self.bus.close();
        Ok(())
    }
}
