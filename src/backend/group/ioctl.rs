//! VFIO's ioctls as safe functions: one each, arguments by value, errno as the only error.

use std::fs::File;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::raw::{c_int, c_ulong};
use std::ptr::NonNull;

use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    VFIO_API_VERSION, VFIO_BASE, VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, VFIO_DMA_UNMAP_FLAG_ALL,
    VFIO_TYPE, vfio_device_info, vfio_group_status, vfio_iommu_type1_dma_map, vfio_iommu_type1_dma_unmap,
    vfio_irq_info,
};
use vmm_sys_util::ioctl::{
    ioctl, ioctl_with_mut_ptr, ioctl_with_mut_ref, ioctl_with_ptr, ioctl_with_ref, ioctl_with_val,
};
use vmm_sys_util::ioctl_io_nr;

const TYPE: u32 = VFIO_TYPE as u32;

ioctl_io_nr!(VFIO_GET_API_VERSION, TYPE, VFIO_BASE);
ioctl_io_nr!(VFIO_CHECK_EXTENSION, TYPE, VFIO_BASE + 1);
ioctl_io_nr!(VFIO_SET_IOMMU, TYPE, VFIO_BASE + 2);
ioctl_io_nr!(VFIO_GROUP_GET_STATUS, TYPE, VFIO_BASE + 3);
ioctl_io_nr!(VFIO_GROUP_SET_CONTAINER, TYPE, VFIO_BASE + 4);
ioctl_io_nr!(VFIO_GROUP_GET_DEVICE_FD, TYPE, VFIO_BASE + 6);
ioctl_io_nr!(VFIO_DEVICE_GET_INFO, TYPE, VFIO_BASE + 7);
ioctl_io_nr!(VFIO_DEVICE_GET_REGION_INFO, TYPE, VFIO_BASE + 8);
ioctl_io_nr!(VFIO_DEVICE_GET_IRQ_INFO, TYPE, VFIO_BASE + 9);
ioctl_io_nr!(VFIO_DEVICE_SET_IRQS, TYPE, VFIO_BASE + 10);
ioctl_io_nr!(VFIO_DEVICE_RESET, TYPE, VFIO_BASE + 11);
ioctl_io_nr!(VFIO_IOMMU_GET_INFO, TYPE, VFIO_BASE + 12);
ioctl_io_nr!(VFIO_IOMMU_MAP_DMA, TYPE, VFIO_BASE + 13);
ioctl_io_nr!(VFIO_IOMMU_UNMAP_DMA, TYPE, VFIO_BASE + 14);

fn answer(value: c_int) -> Result<c_int, Errno> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}

/// Whether this kernel speaks the VFIO that these ioctls were written for.
pub fn api_is_known(container: &File) -> Result<bool, Errno> {
    // SAFETY: GET_API_VERSION takes no argument.
    Ok(answer(unsafe { ioctl(container, VFIO_GET_API_VERSION()) })? == VFIO_API_VERSION as c_int)
}

/// Whether the container offers the IOMMU type.
pub fn has_extension(container: &File, iommu_type: u32) -> Result<bool, Errno> {
    // SAFETY: CHECK_EXTENSION takes its argument by value.
    Ok(answer(unsafe { ioctl_with_val(container, VFIO_CHECK_EXTENSION(), c_ulong::from(iommu_type)) })? > 0)
}

/// Chooses the container's IOMMU type.
pub fn set_iommu(container: &File, iommu_type: u32) -> Result<(), Errno> {
    // SAFETY: SET_IOMMU takes its argument by value.
    answer(unsafe { ioctl_with_val(container, VFIO_SET_IOMMU(), c_ulong::from(iommu_type)) }).map(drop)
}

/// The group's flags, VFIO_GROUP_FLAGS_*.
pub fn group_flags(group: &File) -> Result<u32, Errno> {
    let mut status = vfio_group_status { argsz: size_of::<vfio_group_status>() as u32, flags: 0 };
    // SAFETY: the kernel writes at most `argsz` bytes of `status`, which lives across the call.
    answer(unsafe { ioctl_with_mut_ref(group, VFIO_GROUP_GET_STATUS(), &mut status) })?;
    Ok(status.flags)
}

/// Puts the group into the container.
pub fn set_container(group: &File, container: &File) -> Result<(), Errno> {
    let fd: RawFd = container.as_raw_fd();
    // SAFETY: the kernel reads one int from `fd`, which lives across the call.
    answer(unsafe { ioctl_with_ref(group, VFIO_GROUP_SET_CONTAINER(), &fd) }).map(drop)
}

/// Opens the function named by `name`, a NUL-terminated address.
pub fn device_fd(group: &File, name: &std::ffi::CStr) -> Result<File, Errno> {
    // SAFETY: the kernel reads a NUL-terminated string, which `CStr` is.
    let fd = answer(unsafe { ioctl_with_ptr(group, VFIO_GROUP_GET_DEVICE_FD(), name.as_ptr()) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    let file = unsafe { File::from_raw_fd(fd) };
    // SAFETY: F_SETFD on a descriptor that we own. VFIO opens it without CLOEXEC on some kernels.
    answer(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(file)
}

/// The function's flags (VFIO_DEVICE_FLAGS_*), and its numbers of regions and of interrupt indices.
pub fn device_info(device: &File) -> Result<vfio_device_info, Errno> {
    let mut info = vfio_device_info { argsz: size_of::<vfio_device_info>() as u32, ..Default::default() };
    // SAFETY: the kernel writes at most `argsz` bytes of `info`, which lives across the call.
    answer(unsafe { ioctl_with_mut_ref(device, VFIO_DEVICE_GET_INFO(), &mut info) })?;
    Ok(info)
}

/// Resets the function.
pub fn reset(device: &File) -> Result<(), Errno> {
    // SAFETY: RESET takes no argument.
    answer(unsafe { ioctl(device, VFIO_DEVICE_RESET()) }).map(drop)
}

/// An answer of the kernel's that may be followed by capabilities: the bytes, as long as the kernel wanted.
/// `head` is the size of the fixed structure, whose first word is `argsz`.
fn chained(
    file: &File,
    request: c_ulong,
    head: usize,
    prepare: impl Fn(&mut [u64]),
) -> Result<Vec<u8>, Errno> {
    let mut words = vec![0_u64; head.div_ceil(8)];
    for _ in 0..4 {
        prepare(&mut words);
        let room = (words.len() * 8) as u32;
        put_u32(&mut words, 0, room);
        // SAFETY: the kernel writes at most `argsz` bytes, the size of `words`, whose alignment is that of its u64s.
        answer(unsafe { ioctl_with_mut_ptr(file, request, words.as_mut_ptr()) })?;
        let wanted = get_u32(&words, 0);
        if wanted <= room {
            return Ok(words.iter().flat_map(|word| word.to_ne_bytes()).collect());
        }
        words = vec![0; (wanted as usize).div_ceil(8)];
    }
    Err(Errno::EAGAIN)
}

fn put_u32(words: &mut [u64], index: usize, value: u32) {
    let mut bytes = words[index / 2].to_ne_bytes();
    bytes[index % 2 * 4..][..4].copy_from_slice(&value.to_ne_bytes());
    words[index / 2] = u64::from_ne_bytes(bytes);
}

fn get_u32(words: &[u64], index: usize) -> u32 {
    let bytes = words[index / 2].to_ne_bytes();
    u32::from_ne_bytes([0, 1, 2, 3].map(|i| bytes[index % 2 * 4 + i]))
}

/// `struct vfio_region_info` with its capabilities, as bytes.
pub fn region_info(device: &File, index: u32) -> Result<Vec<u8>, Errno> {
    let head = size_of::<vfio_bindings::bindings::vfio::vfio_region_info>();
    chained(device, VFIO_DEVICE_GET_REGION_INFO(), head, |words| put_u32(words, 2, index))
}

/// `struct vfio_iommu_type1_info` with its capabilities, as bytes.
pub fn iommu_info(container: &File) -> Result<Vec<u8>, Errno> {
    let head = size_of::<vfio_bindings::bindings::vfio::vfio_iommu_type1_info>();
    chained(container, VFIO_IOMMU_GET_INFO(), head, |_| ())
}

/// What the interrupt index offers.
pub fn irq_info(device: &File, index: u32) -> Result<vfio_irq_info, Errno> {
    let mut info = vfio_irq_info { argsz: size_of::<vfio_irq_info>() as u32, flags: 0, index, count: 0 };
    // SAFETY: the kernel writes at most `argsz` bytes of `info`, which lives across the call.
    answer(unsafe { ioctl_with_mut_ref(device, VFIO_DEVICE_GET_IRQ_INFO(), &mut info) })?;
    Ok(info)
}

/// SET_IRQS with `eventfds` as its data, -1 for none; the kernel's answer, positive where fewer vectors exist.
pub fn set_irqs(
    device: &File,
    flags: u32,
    index: u32,
    start: u32,
    count: u32,
    eventfds: &[RawFd],
) -> Result<u32, Errno> {
    // `struct vfio_irq_set` is five u32 and then the data, here one i32 an eventfd.
    const HEAD: usize = 5;
    let argsz = ((HEAD + eventfds.len()) * 4) as u32;
    let mut words = vec![argsz, flags, index, start, count];
    words.extend(eventfds.iter().map(|fd| fd.cast_unsigned()));
    // SAFETY: the kernel reads `argsz` bytes, which is the length of `words`.
    answer(unsafe { ioctl_with_ptr(device, VFIO_DEVICE_SET_IRQS(), words.as_ptr()) })
        .map(c_int::cast_unsigned)
}

/// Maps `len` bytes at `memory` for the device at `iova`, readable and writable.
///
/// # Safety
/// As [`crate::backend::Backend::map_dma`].
pub unsafe fn map_dma(container: &File, iova: u64, memory: NonNull<u8>, len: u64) -> Result<(), Errno> {
    let map = vfio_iommu_type1_dma_map {
        argsz: size_of::<vfio_iommu_type1_dma_map>() as u32,
        flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        vaddr: memory.as_ptr() as u64,
        iova,
        size: len,
    };
    // SAFETY: the kernel reads `argsz` bytes of `map`; that the memory outlives the mapping is the caller's promise.
    answer(unsafe { ioctl_with_ref(container, VFIO_IOMMU_MAP_DMA(), &map) }).map(drop)
}

/// Unmaps what was mapped at `iova`; the number of bytes that the kernel unmapped.
pub fn unmap_dma(container: &File, iova: u64, len: u64) -> Result<u64, Errno> {
    let mut unmap = vfio_iommu_type1_dma_unmap {
        argsz: size_of::<vfio_iommu_type1_dma_unmap>() as u32,
        iova,
        size: len,
        ..Default::default()
    };
    // SAFETY: the kernel writes at most `argsz` bytes of `unmap`, which lives across the call.
    answer(unsafe { ioctl_with_mut_ref(container, VFIO_IOMMU_UNMAP_DMA(), &mut unmap) })?;
    Ok(unmap.size)
}

/// Unmaps everything; the number of bytes that the kernel unmapped. EINVAL before 5.12.
pub fn unmap_all_dma(container: &File) -> Result<u64, Errno> {
    let mut unmap = vfio_iommu_type1_dma_unmap {
        argsz: size_of::<vfio_iommu_type1_dma_unmap>() as u32,
        flags: VFIO_DMA_UNMAP_FLAG_ALL,
        ..Default::default()
    };
    // SAFETY: the kernel writes at most `argsz` bytes of `unmap`, which lives across the call.
    answer(unsafe { ioctl_with_mut_ref(container, VFIO_IOMMU_UNMAP_DMA(), &mut unmap) })?;
    Ok(unmap.size)
}
