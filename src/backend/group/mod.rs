//! VFIO's first interface: a container with an IOMMU of type 1, a group in it, a device from the group.

mod chain;
mod close;
mod ioctl;

use std::ffi::CString;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Mutex;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, VFIO_GROUP_FLAGS_CONTAINER_SET, VFIO_GROUP_FLAGS_VIABLE,
    VFIO_IOMMU_INFO_CAPS, VFIO_IOMMU_INFO_PGSIZES, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
    VFIO_IRQ_INFO_AUTOMASKED, VFIO_IRQ_INFO_MASKABLE, VFIO_IRQ_INFO_NORESIZE, VFIO_IRQ_SET_ACTION_TRIGGER,
    VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
    VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_FLAG_CAPS, VFIO_REGION_INFO_FLAG_MMAP,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, VFIO_TYPE1v2_IOMMU,
};
use vmm_sys_util::eventfd::EventFd;

use self::chain::{Answer, sparse_windows};
use super::refusal::Refused;
use super::{Backend, IommuInfo, Iova, IrqIndex, IrqInfo, RegionIndex, RegionInfo, Translation, Window};
use crate::host::{Group as IommuGroup, Host};
use crate::synchronize::unpoisoned;
use crate::{Address, Code, Error, ErrorKind, Result};

/// `VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL`, which the bindings do not carry.
const INFO_DMA_AVAIL: u16 = 3;
/// What type 1 allows where it does not say: `dma_entry_limit` of vfio_iommu_type1.
const DEFAULT_DMA_ENTRIES: u32 = 65535;

/// A function opened through its IOMMU group.
#[derive(Debug)]
pub struct GroupBackend {
    // Closed in this order: the device, then its group, then the container that holds the mappings.
    device: File,
    group: File,
    container: File,
    address: Address,
    resettable: bool,
    /// Where the device file holds each region: fixed by the kernel at open.
    regions: Vec<(u64, RegionInfo)>,
    /// What is on, and how many of its vectors, to say why something else cannot be.
    active: Mutex<Option<(IrqIndex, u32)>>,
    host: Host,
}

impl GroupBackend {
    /// Opens the function through `/dev/vfio/<group>`, with a container of its own.
    ///
    /// # Errors
    /// E1 to E8 of `docs/errors.md`, each with the cause as far as sysfs and `/proc` tell it.
    pub fn open(address: Address) -> Result<Self> {
        let host = Host::system();
        let IommuGroup { number, node, .. } = host.openable(&host.function(address)?)?;
        let group = open_node(&node).map_err(|errno| host.explain_open_group(address, number, errno))?;
        let flags =
            ioctl::group_flags(&group).map_err(|errno| host.explain_open_group(address, number, errno))?;
        if flags & VFIO_GROUP_FLAGS_VIABLE == 0 {
            return Err(host.explain_not_viable(address, number));
        }
        if flags & VFIO_GROUP_FLAGS_CONTAINER_SET != 0 {
            return Err(host.explain_set_container(address, number, Errno::EINVAL));
        }
        let container =
            open_node(&host.container_node()).map_err(|errno| host.explain_open_container(address, errno))?;
        let refuse = |why: &str| {
            Err(Error::new(ErrorKind::Precondition, "set-up of the VFIO container")
                .on(address)
                .why(why)
                .fix("uname -r; dirql is for the VFIO of Linux 5.4 and later, and for PCI")
                .code(Code::E14))
        };
        let on = |errno: Errno| host.explain_request(address, errno, "set-up of the VFIO container");
        if !ioctl::api_is_known(&container).map_err(on)? {
            return refuse("the kernel speaks another version of VFIO than 0");
        }
        if !ioctl::has_extension(&container, VFIO_TYPE1v2_IOMMU).map_err(on)? {
            return Err(host.explain_set_iommu(address, number, Errno::ENODEV));
        }
        ioctl::set_container(&group, &container)
            .map_err(|errno| host.explain_set_container(address, number, errno))?;
        ioctl::set_iommu(&container, VFIO_TYPE1v2_IOMMU)
            .map_err(|errno| host.explain_set_iommu(address, number, errno))?;
        let name = CString::new(address.to_string()).unwrap_or_default();
        let device = ioctl::device_fd(&group, &name)
            .map_err(|errno| host.explain_get_device(address, number, errno))?;

        let info = ioctl::device_info(&device)
            .map_err(|errno| host.explain_request(address, errno, "reading of the device information"))?;
        if info.flags & VFIO_DEVICE_FLAGS_PCI == 0 {
            return refuse("VFIO does not present this device as PCI");
        }
        let regions = (0..info.num_regions)
            .map(|index| region_info(&device, index).map_err(|error| error.on(address)))
            .collect::<Result<_>>()?;
        let resettable = info.flags & VFIO_DEVICE_FLAGS_RESET != 0;
        let active = Mutex::default();
        Ok(Self { device, group, container, address, resettable, regions, active, host })
    }

    fn fail(&self, errno: Errno, operation: impl Into<String>) -> Error {
        self.host.explain_request(self.address, errno, operation)
    }

    /// The region and where a range of it lies in the device file.
    fn locate(&self, index: RegionIndex, offset: u64, len: u64) -> Result<u64> {
        match self.regions.get(index.0 as usize) {
            Some((start, info)) if offset.checked_add(len).is_some_and(|end| end <= info.len) => {
                Ok(start + offset)
            }
            _ => Err(Error::new(ErrorKind::InvalidArgument, format!("access to {}", index.name()))
                .on(self.address)
                .why(format!("{len} bytes at {offset:#x} are outside the region"))),
        }
    }

    fn set_irqs(&self, flags: u32, index: IrqIndex, start: u32, count: u32, fds: &[i32]) -> Result<u32> {
        ioctl::set_irqs(&self.device, flags, index as u32, start, count, fds).map_err(|errno| {
            let offered = self.irq(index).ok().map(|info| info.count);
            let active = *unpoisoned(&self.active);
            Refused { index, start, count, offered, active }.explain(&self.host, self.address, errno)
        })
    }

    fn region_refused(&self, error: &std::io::Error, what: &str, index: RegionIndex) -> Error {
        let operation = format!("{what} {}", index.name());
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
            return Error::io(error, operation).on(self.address).code(Code::E12);
        };
        let bar = u8::try_from(index.0).ok().filter(|&bar| bar < 6);
        // What cannot be read is not known.
        let config = self.config().unwrap_or_default();
        self.host.explain_region(self.address, errno, operation, bar, &config)
    }

    /// The first 256 bytes of configuration space.
    fn config(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; 256];
        let at = self.locate(RegionIndex::CONFIG, 0, bytes.len() as u64)?;
        let read = self.device.read_exact_at(&mut bytes, at);
        read.map_err(|error| Error::io(&error, "reading of configuration space").on(self.address))?;
        Ok(bytes)
    }
}

fn open_node(path: &Path) -> Result<File, Errno> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// `struct vfio_region_info`: argsz 0, flags 4, index 8, cap_offset 12, size 16, offset 24.
fn region_info(device: &File, index: u32) -> Result<(u64, RegionInfo)> {
    let none = RegionInfo { len: 0, readable: false, writable: false, mappable: Vec::new() };
    let answer = match ioctl::region_info(device, index) {
        Ok(bytes) => Answer(bytes),
        // The kernel answers EINVAL for a region that a function may have and this one has not (VGA).
        Err(Errno::EINVAL) => return Ok((0, none)),
        Err(errno) => return Err(Error::os(errno, format!("reading of region {index}"))),
    };
    let (Some(flags), Some(chain), Some(len), Some(offset)) =
        (answer.u32(4), answer.u32(12), answer.u64(16), answer.u64(24))
    else {
        return Ok((0, none));
    };
    let chain = if flags & VFIO_REGION_INFO_FLAG_CAPS == 0 { 0 } else { chain };
    let mappable = match answer.capability(chain, VFIO_REGION_INFO_CAP_SPARSE_MMAP as u16) {
        _ if flags & VFIO_REGION_INFO_FLAG_MMAP == 0 => Vec::new(),
        // `struct vfio_region_info_cap_sparse_mmap`: header, nr_areas 8, reserved, then offset and size of each.
        Some(sparse) => sparse_windows(answer.pairs(sparse, 8, 16), len),
        None => vec![Window { offset: 0, len }],
    };
    let readable = flags & VFIO_REGION_INFO_FLAG_READ != 0;
    let writable = flags & VFIO_REGION_INFO_FLAG_WRITE != 0;
    Ok((offset, RegionInfo { len, readable, writable, mappable }))
}

impl Backend for GroupBackend {
    fn address(&self) -> Address {
        self.address
    }

    fn resettable(&self) -> bool {
        self.resettable
    }

    fn reset(&self) -> Result<()> {
        ioctl::reset(&self.device).map_err(|errno| self.fail(errno, "reset"))
    }

    fn region(&self, index: RegionIndex) -> Result<RegionInfo> {
        self.regions.get(index.0 as usize).map(|(_, info)| info.clone()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("look-up of {}", index.name()))
                .on(self.address)
                .why(format!("the function has {} regions", self.regions.len()))
        })
    }

    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()> {
        let at = self.locate(index, offset, data.len() as u64)?;
        let read = self.device.read_exact_at(data, at);
        read.map_err(|error| self.region_refused(&error, &format!("reading, at {offset:#x}, of"), index))
    }

    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()> {
        let at = self.locate(index, offset, data.len() as u64)?;
        let written = self.device.write_all_at(data, at);
        written.map_err(|error| self.region_refused(&error, &format!("writing, at {offset:#x}, of"), index))
    }

    fn map(&self, index: RegionIndex, window: Window) -> Result<MmapRaw> {
        let at = self.locate(index, window.offset, window.len)?;
        MmapOptions::new()
            .offset(at)
            .len(window.len as usize)
            .map_raw(&self.device)
            .map_err(|error| self.region_refused(&error, "mapping of", index))
    }

    fn irq(&self, index: IrqIndex) -> Result<IrqInfo> {
        match ioctl::irq_info(&self.device, index as u32) {
            Ok(info) => Ok(IrqInfo {
                count: info.count,
                maskable: info.flags & VFIO_IRQ_INFO_MASKABLE != 0,
                automasked: info.flags & VFIO_IRQ_INFO_AUTOMASKED != 0,
                noresize: info.flags & VFIO_IRQ_INFO_NORESIZE != 0,
            }),
            // ERR of a function that is not PCIe.
            Err(Errno::EINVAL) => {
                Ok(IrqInfo { count: 0, maskable: false, automasked: false, noresize: false })
            }
            Err(errno) => Err(self.fail(errno, format!("reading of {index} information"))),
        }
    }

    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>> {
        let fds: Vec<i32> = eventfds.iter().map(|eventfd| eventfd.map_or(-1, |fd| fd.as_raw_fd())).collect();
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        let fewer = self.set_irqs(flags, index, start, fds.len() as u32, &fds)?;
        if fewer == 0 && index.is_mode() {
            let end = start.saturating_add(fds.len() as u32);
            let mut active = unpoisoned(&self.active);
            *active = Some((index, active.map_or(end, |(_, on)| on.max(end))));
        }
        Ok((fewer > 0).then_some(fewer))
    }

    fn release(&self, index: IrqIndex) -> Result<()> {
        self.set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0, &[])?;
        if index.is_mode() {
            *unpoisoned(&self.active) = None;
        }
        Ok(())
    }

    fn fire(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, vector, 1, &[]).map(drop)
    }

    fn unmask(&self, index: IrqIndex, vector: u32) -> Result<()> {
        self.set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, index, vector, 1, &[]).map(drop)
    }

    /// `struct vfio_iommu_type1_info`: argsz 0, flags 4, iova_pgsizes 8, cap_offset 16.
    fn iommu(&self) -> Result<IommuInfo> {
        let operation = "reading of the IOMMU's information";
        let answer = Answer(ioctl::iommu_info(&self.container).map_err(|errno| self.fail(errno, operation))?);
        let flags = answer.u32(4).unwrap_or(0);
        let chain = if flags & VFIO_IOMMU_INFO_CAPS == 0 { 0 } else { answer.u32(16).unwrap_or(0) };
        let page_sizes = if flags & VFIO_IOMMU_INFO_PGSIZES == 0 { 0 } else { answer.u64(8).unwrap_or(0) };
        // `…_cap_iova_range`: header, nr_iovas 8, reserved, then start and end (inclusive) of each.
        let ranges: Vec<RangeInclusive<u64>> = answer
            .capability(chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE as u16)
            .map(|at| answer.pairs(at, 8, 16).into_iter().map(|(start, end)| start..=end).collect())
            .unwrap_or_default();
        if ranges.is_empty() {
            return Err(Error::new(ErrorKind::Precondition, operation)
                .on(self.address)
                .why(format!(
                    "this kernel ({}) does not report where mappings may lie: that takes 5.4",
                    self.host.kernel_version()
                ))
                .fix("boot a newer kernel")
                .code(Code::E14));
        }
        let mappings_left = answer
            .capability(chain, INFO_DMA_AVAIL)
            .and_then(|at| answer.u32(at + 8))
            .unwrap_or(DEFAULT_DMA_ENTRIES);
        Ok(IommuInfo { ranges, page_sizes, mappings_left })
    }

    unsafe fn map_dma(&self, iova: Iova, memory: NonNull<u8>, len: usize) -> Result<()> {
        let (limits, len) = (self.host.limits(), len as u64);
        if let Some(error) = self.host.explain_memlock(self.address, &limits, len) {
            return Err(error.range(iova.0, len));
        }
        // SAFETY: the caller promises what `map_dma` asks for.
        unsafe { ioctl::map_dma(&self.container, iova.0, memory, len) }.map_err(|errno| {
            let ranges = self.iommu().map(|info| info.ranges).unwrap_or_default();
            self.host.explain_map(self.address, errno, iova.0, len, &limits, &ranges)
        })
    }

    fn unmap_dma(&self, iova: Iova, len: usize) -> Result<()> {
        let gone = ioctl::unmap_dma(&self.container, iova.0, len as u64)
            .map_err(|errno| self.fail(errno, "unmapping of DMA memory").range(iova.0, len as u64))?;
        if gone == len as u64 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Failure, "unmapping of DMA memory")
            .on(self.address)
            .range(iova.0, len as u64)
            .why(format!("the kernel unmapped {gone:#x} bytes")))
    }

    fn unmap_all_dma(&self) -> Result<u64> {
        ioctl::unmap_all_dma(&self.container)
            .map_err(|errno| self.fail(errno, "unmapping of all DMA memory").code(Code::E10))
    }

    fn translation(&self, iova: Iova) -> Translation {
        self.host.translation_of(self.address, iova.0)
    }

    fn close(&self) -> Result<()> {
        let fail = |errno| self.fail(errno, "closing");
        let nothing = close::nothing().map_err(fail)?;
        // In the order of the fields, and each whatever the others say.
        let closed = [&self.device, &self.group, &self.container].map(|file| close::close(file, &nothing));
        closed.into_iter().collect::<Result<_, _>>().map_err(fail)
    }
}
