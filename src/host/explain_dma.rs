//! From the errno of a refused call to its cause: mapping DMA memory.

use std::ops::RangeInclusive;

use nix::errno::Errno;

use super::{Host, Limits};
use crate::pci::Address;
use crate::{Code, Error, ErrorKind};

/// How many mappings a container takes: `dma_entry_limit` of vfio_iommu_type1, unless it was changed.
const ENTRIES: u64 = 65535;

impl Host {
    /// Checks, before a map, that `length` bytes more may be locked for DMA: with what is needed, locked and allowed
    /// (E9) where RLIMIT_MEMLOCK would refuse them, `None` where it would not.
    pub fn explain_memlock(&self, address: Address, limits: &Limits, length: u64) -> Option<Error> {
        let refused = limits.available().is_some_and(|available| available < length);
        refused.then(|| {
            beyond_memlock(limits, length, Error::new(ErrorKind::Precondition, OPERATION).on(address))
        })
    }

    /// Why `VFIO_IOMMU_MAP_DMA` of `length` bytes at `iova` was refused. `ranges` is what the IOMMU reports, empty
    /// where that is not known.
    pub fn explain_map(
        &self,
        address: Address,
        errno: Errno,
        iova: u64,
        length: u64,
        limits: &Limits,
        ranges: &[RangeInclusive<u64>],
    ) -> Error {
        let error = Error::os(errno, OPERATION).on(address).range(iova, length).code(Code::E10);
        match errno {
            Errno::ENOMEM => beyond_memlock(limits, length, error),
            Errno::EEXIST => error
                .kind_is(ErrorKind::InvalidArgument)
                .why("the range overlaps one that is mapped already")
                .fix(ALLOCATOR),
            Errno::ENOSPC => {
                let path = self.sys.join("module/vfio_iommu_type1/parameters/dma_entry_limit");
                let entries = super::files::number(path).unwrap_or(ENTRIES);
                error
                    .kind_is(ErrorKind::Precondition)
                    .why(format!("the container's {entries} mappings are used up"))
                    .fix("map fewer, larger pieces: take buffers from one pool")
            }
            Errno::EFAULT => error
                .kind_is(ErrorKind::InvalidArgument)
                .why("the memory behind the mapping is not there, or may not be written")
                .fix(ALLOCATOR),
            Errno::EINVAL | Errno::EOVERFLOW => {
                error.kind_is(ErrorKind::InvalidArgument).why(reason(iova, length, ranges)).fix(ALLOCATOR)
            }
            Errno::ENOTTY => error
                .kind_is(ErrorKind::Precondition)
                .why("the group has no IOMMU, and maps nothing")
                .fix(self.why_no_iommu().1)
                .code(Code::E6),
            _ => error
                .why("the kernel could not map it")
                .fix("see the kernel's log: sudo dmesg | grep -i vfio"),
        }
    }
}

/// What keeps to the rules of a mapping by itself.
const ALLOCATOR: &str = "let the library choose: Device::dma gives memory, and an IOVA that fits";

/// That so many bytes more are beyond the limit.
pub(super) fn beyond_memlock(limits: &Limits, length: u64, error: Error) -> Error {
    let error = error.kind_is(ErrorKind::Precondition).code(Code::E9);
    let (Some(limit), false) = (limits.soft, limits.is_exempt) else {
        return error
            .why(format!("the kernel has no memory for the mapping of {} KiB", length.div_ceil(1024)))
            .fix("free some memory, or ask for less");
    };
    let (needed, locked, limit) = (length.div_ceil(1024), limits.locked.div_ceil(1024), limit / 1024);
    let all = needed.saturating_add(locked);
    error
        .why(format!(
            "{needed} KiB are needed and {locked} KiB are locked already, but this user may lock {limit} KiB \
             (RLIMIT_MEMLOCK)"
        ))
        .fix(format!(
            "any of: ulimit -l {all} (root: prlimit --pid $$ --memlock={bytes}:{bytes}) · \
             \"$USER - memlock {all}\" in /etc/security/limits.d/dirql.conf, then log in again · \
             LimitMEMLOCK={all}K in the systemd unit",
            bytes = all.saturating_mul(1024)
        ))
}

const OPERATION: &str = "mapping of DMA memory";

fn reason(iova: u64, length: u64, ranges: &[RangeInclusive<u64>]) -> String {
    let Some(last) = length.checked_sub(1) else { return "nothing is to be mapped: the length is 0".into() };
    let Some(last) = iova.checked_add(last) else {
        return "the range wraps around the end of IOVA space".into();
    };
    if (iova | length) & 0xfff != 0 {
        return "IOVA and length must be multiples of the page size, 4 KiB".into();
    }
    if !ranges.is_empty() && !ranges.iter().any(|range| range.contains(&iova) && range.contains(&last)) {
        let list: Vec<String> =
            ranges.iter().map(|range| format!("{:#x}–{:#x}", range.start(), range.end())).collect();
        return format!(
            "the range lies outside what the IOMMU translates for this device: {}",
            list.join(", ")
        );
    }
    if iova <= 0xfeef_ffff && last >= 0xfee0_0000 && cfg!(target_arch = "x86_64") {
        return "the range touches 0xfee00000–0xfeefffff, which x86 reserves for interrupts".into();
    }
    "the memory's address is not page-aligned, the mapping is neither readable nor writable, the range lies outside what \
     the IOMMU translates, or the container has no IOMMU set yet"
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    fn address() -> Address {
        "0000:00:03.0".parse().unwrap()
    }

    #[test]
    fn the_limit_is_named_with_its_figures() {
        let machine = Machine::new();
        machine.limits(8192, 4096, "0000000000000000");
        let host = machine.host();
        let limits = host.limits();
        assert!(host.explain_memlock(address(), &limits, 4096 * 1024).is_none());
        for error in [
            host.explain_memlock(address(), &limits, 4097 * 1024).unwrap(),
            host.explain_map(address(), Errno::ENOMEM, 0x1000, 4097 * 1024, &limits, &[]),
        ] {
            assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E9)));
            let text = error.to_string();
            for part in
                ["4097 KiB", "4096 KiB", "8192 KiB", "ulimit -l 8193", "limits.d", "LimitMEMLOCK=8193K"]
            {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        machine.limits(8192, 4096, "000001ffffffffff");
        let limits = host.limits();
        assert!(host.explain_memlock(address(), &limits, u64::MAX).is_none());
        let error = host.explain_map(address(), Errno::ENOMEM, 0, 4096, &limits, &[]);
        assert!(!error.to_string().contains("MEMLOCK"), "{error}");
    }

    #[test]
    fn other_refusals_of_a_map_are_told_apart() {
        let machine = Machine::new();
        let ranges = [0..=0xfedf_ffff, 0xfef0_0000..=0x7f_ffff_ffff];
        for (errno, iova, length, ranges, part) in [
            (Errno::EINVAL, 0, 0, &ranges[..], "length is 0"),
            (Errno::EINVAL, u64::MAX - 4095, 8192, &ranges[..], "wraps"),
            (Errno::EINVAL, 0x10, 4096, &ranges[..], "multiples"),
            (Errno::EINVAL, 1 << 39, 4096, &ranges[..], "0x7fffffffff"),
            (Errno::EINVAL, 0xfee0_0000, 4096, &[], "0xfee00000"),
            (Errno::EEXIST, 0, 4096, &[], "overlaps"),
            (Errno::ENOSPC, 0, 4096, &[], "65535"),
            (Errno::EFAULT, 0, 4096, &[], "not there"),
        ] {
            let host = machine.host();
            let error = host.explain_map(address(), errno, iova, length, &host.limits(), ranges);
            assert_eq!(error.catalogue_code(), Some(Code::E10));
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
}
