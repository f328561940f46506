//! Requests that the library never makes: steps of VFIO in the wrong order, and mappings that are none. Each gives the
//! kernel's errno.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_ulong};
use std::path::Path;
use std::ptr::NonNull;

use dirql::backend::{Backend, Iova};
use dirql::pci::Address;
use memmap2::{MmapMut, MmapOptions};
use nix::errno::Errno;

/// `_IO(';', 100 + number)`.
const fn request(number: c_ulong) -> c_ulong {
    0x3b64 + number
}

const SET_IOMMU: c_ulong = request(2);
const SET_CONTAINER: c_ulong = request(4);
const GET_DEVICE_FD: c_ulong = request(6);
const MAP_DMA: c_ulong = request(13);
/// `VFIO_DEVICE_BIND_IOMMUFD`, which came with 6.6.
const BIND_IOMMUFD: c_ulong = request(18);
/// `VFIO_TYPE1v2_IOMMU`.
pub const TYPE1: c_ulong = 3;

/// What the kernel answers.
pub type Answer<T = ()> = Result<T, Errno>;

/// Opens a node to read and write.
pub fn open(path: &Path) -> Answer<File> {
    let file = File::options().read(true).write(true).open(path);
    file.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// Sets the container's IOMMU.
pub fn set_iommu(container: &File, kind: c_ulong) -> Answer {
    // SAFETY: the argument is a number.
    Errno::result(unsafe { libc::ioctl(container.as_raw_fd(), SET_IOMMU, kind) }).map(drop)
}

/// Joins the group to the container.
pub fn set_container(group: &File, container: &File) -> Answer {
    let number: c_int = container.as_raw_fd();
    // SAFETY: the kernel reads one int, which lives across the call.
    Errno::result(unsafe { libc::ioctl(group.as_raw_fd(), SET_CONTAINER, &raw const number) }).map(drop)
}

/// Asks for a device of the group, and lets it go at once.
pub fn get_device(group: &File, address: Address) -> Answer {
    let name = CString::new(address.to_string()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads a string that ends with a zero.
    let device = Errno::result(unsafe { libc::ioctl(group.as_raw_fd(), GET_DEVICE_FD, name.as_ptr()) })?;
    // SAFETY: the kernel has just made it, and nobody else closes it.
    Errno::result(unsafe { libc::close(device) }).map(drop)
}

/// Asks a device of the group to be bound to an iommufd.
pub fn bind_iommufd(group: &File, address: Address) -> Answer {
    let name = CString::new(address.to_string()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads a string that ends with a zero.
    let device = Errno::result(unsafe { libc::ioctl(group.as_raw_fd(), GET_DEVICE_FD, name.as_ptr()) })?;
    // `struct vfio_device_bind_iommufd`: argsz, flags, iommufd, out_devid.
    let mut bind = [16_i32, 0, -1, 0];
    // SAFETY: the kernel reads and writes at most 16 bytes of `bind`, which lives across the call.
    let bound = Errno::result(unsafe { libc::ioctl(device, BIND_IOMMUFD, bind.as_mut_ptr()) }).map(drop);
    // SAFETY: as in `get_device`.
    unsafe { libc::close(device) };
    bound
}

/// Maps a page of this process at 0x1000, with these flags: 1 to read, 2 to write.
pub fn map(container: &File, memory: &MmapMut, flags: u32) -> Answer {
    // `struct vfio_iommu_type1_dma_map`: argsz and flags, vaddr, iova, size.
    let map = [32 | u64::from(flags) << 32, memory.as_ptr() as u64, 0x1000, 4096];
    // SAFETY: the kernel reads 32 bytes of `map`; what it maps goes with the container, before the memory does.
    Errno::result(unsafe { libc::ioctl(container.as_raw_fd(), MAP_DMA, map.as_ptr()) }).map(drop)
}

/// So many bytes of memory that stay where they are for ever.
pub fn memory(len: usize) -> &'static mut [u8] {
    match MmapOptions::new().len(len).map_anon() {
        Ok(memory) => {
            let memory: &'static mut MmapMut = Box::leak(Box::new(memory));
            memory
        }
        Err(_) => &mut [],
    }
}

/// Lets the device reach memory, by the library's own way.
pub fn let_reach(backend: &dyn Backend, iova: u64, memory: NonNull<u8>, len: usize) -> dirql::Result<()> {
    // SAFETY: the memory is that of `memory`, which stays for ever and is used for nothing else, or none at all: then
    // the kernel refuses it.
    unsafe { backend.map_dma(Iova(iova), memory, len) }
}
