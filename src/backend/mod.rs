//! How a device is reached, one file a way, behind one small trait.
//!
//! [`group`] speaks to VFIO's container and group interface; [`model`] is a device in this process, for tests and
//! demonstrations. The trait is what both have in common, in VFIO's own terms: regions, interrupt indices, DMA
//! mappings. Everything above it is the same code, whichever way is taken.
//!
//! Source: `include/uapi/linux/vfio.h` and `Documentation/driver-api/vfio.rst` of Linux.

use std::fmt;
use std::ops::RangeInclusive;
use std::ptr::NonNull;

use memmap2::MmapRaw;
use vmm_sys_util::eventfd::EventFd;

use crate::{Address, Result};

pub use crate::host::Translation;

pub(crate) use self::bus_master::set_bus_master;
pub(crate) use self::eventfd::take_now;

mod bus_master;
mod eventfd;
pub mod group;
pub mod model;
mod refusal;

/// A region of the device, by VFIO's index: 0 to 5 are the BARs, 6 the ROM, 7 the configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegionIndex(pub u32);

impl RegionIndex {
    /// The expansion ROM.
    pub const ROM: Self = Self(6);
    /// The configuration space.
    pub const CONFIG: Self = Self(7);

    /// The name as `lspci` users know it.
    pub fn name(self) -> String {
        match self {
            Self::ROM => "ROM".into(),
            Self::CONFIG => "configuration space".into(),
            Self(bar) => format!("BAR {bar}"),
        }
    }
}

/// A part of a region, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where it begins in its region.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

/// What a region is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionInfo {
    /// Bytes; 0 where the function does not have it.
    pub len: u64,
    /// May be read.
    pub readable: bool,
    /// May be written.
    pub writable: bool,
    /// The parts that can be mapped into this process; empty where only calls reach it, as for I/O ports.
    pub mappable: Vec<Window>,
}

/// A kind of interrupt, by VFIO's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum IrqIndex {
    /// The legacy line.
    Intx = 0,
    /// Message-signalled, up to 32 messages.
    Msi = 1,
    /// Message-signalled by a table, up to 2048 messages.
    Msix = 2,
    /// The error source: PCIe advanced error reporting.
    Error = 3,
    /// The request source: the host wants the device back.
    Request = 4,
}

impl IrqIndex {
    /// Whether it is a way in which vectors arrive, of which one can be on.
    pub(crate) const fn is_mode(self) -> bool {
        matches!(self, Self::Intx | Self::Msi | Self::Msix)
    }
}

impl fmt::Display for IrqIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intx => "INTx",
            Self::Msi => "MSI",
            Self::Msix => "MSI-X",
            Self::Error => "ERR",
            Self::Request => "REQ",
        })
    }
}

/// What an interrupt index offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IrqInfo {
    /// How many vectors; 0 where the function has none of this kind.
    pub count: u32,
    /// Can be masked and unmasked through VFIO.
    pub maskable: bool,
    /// Masked by the kernel whenever it fires.
    pub automasked: bool,
    /// The set of enabled vectors cannot grow or shrink while any is enabled.
    pub noresize: bool,
}

/// What the IOMMU allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IommuInfo {
    /// Where mappings may lie, in ascending order, without overlap.
    pub ranges: Vec<RangeInclusive<u64>>,
    /// Bit n set: pages of 2ⁿ bytes.
    pub page_sizes: u64,
    /// How many more mappings fit.
    pub mappings_left: u32,
}

impl IommuInfo {
    /// The smallest page, in bytes; 4096 where the IOMMU reports none.
    pub fn page_size(&self) -> u64 {
        if self.page_sizes == 0 { 4096 } else { 1 << self.page_sizes.trailing_zeros() }
    }
}

/// An address as the device sees it through the IOMMU. Never a pointer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iova(pub u64);

impl fmt::Debug for Iova {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iova({:#x})", self.0)
    }
}

impl fmt::Display for Iova {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// One opened function, by whichever way it is reached. Its `Drop` closes it, where [`Backend::close`] has not.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Where the function sits.
    fn address(&self) -> Address;

    /// Whether the function can be reset by itself.
    fn resettable(&self) -> bool;

    /// Resets the function.
    fn reset(&self) -> Result<()>;

    /// What the region is; `len` is 0 for one that the function does not have.
    fn region(&self, index: RegionIndex) -> Result<RegionInfo>;

    /// Reads `data.len()` bytes of the region by a call, as one access where the length is 1, 2 or 4.
    fn read(&self, index: RegionIndex, offset: u64, data: &mut [u8]) -> Result<()>;

    /// Writes bytes of the region by a call, as one access where the length is 1, 2 or 4.
    fn write(&self, index: RegionIndex, offset: u64, data: &[u8]) -> Result<()>;

    /// Maps one of the windows that [`Backend::region`] named.
    fn map(&self, index: RegionIndex, window: Window) -> Result<MmapRaw>;

    /// What the interrupt index offers.
    fn irq(&self, index: IrqIndex) -> Result<IrqInfo>;

    /// Attaches an eventfd to each vector from `start`; `None` detaches the vector. The first call enables the index.
    ///
    /// `Ok(Some(n))`: nothing was enabled, because only `n` vectors are to be had.
    fn set_trigger(&self, index: IrqIndex, start: u32, eventfds: &[Option<&EventFd>]) -> Result<Option<u32>>;

    /// Disables the index and frees all its vectors.
    fn release(&self, index: IrqIndex) -> Result<()>;

    /// Signals the vector's eventfd as if the device had fired: the loopback self-test.
    fn fire(&self, index: IrqIndex, vector: u32) -> Result<()>;

    /// Lets an automasked vector fire again.
    fn unmask(&self, index: IrqIndex, vector: u32) -> Result<()>;

    /// What the IOMMU allows.
    fn iommu(&self) -> Result<IommuInfo>;

    /// Lets the device read and write `len` bytes of this process's memory at `iova`.
    ///
    /// # Safety
    /// `memory` must be valid for `len` bytes, and used as nothing but DMA memory, until [`Backend::unmap_dma`] of the
    /// same range has returned Ok or the backend has been closed or dropped.
    unsafe fn map_dma(&self, iova: Iova, memory: NonNull<u8>, len: usize) -> Result<()>;

    /// Takes the range back, exactly as it was mapped.
    fn unmap_dma(&self, iova: Iova, len: usize) -> Result<()>;

    /// Takes every mapping back; how many bytes were mapped.
    fn unmap_all_dma(&self) -> Result<u64>;

    /// How the IOMMU translates the address now.
    fn translation(&self, iova: Iova) -> Translation;

    /// Closes the function while others hold this, so that the host gets it back: every later call fails, also one that
    /// is about to be made on another thread. What [`Backend::map`] gave is let go of by whoever has it.
    fn close(&self) -> Result<()>;
}
