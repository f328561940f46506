//! DMA mappings that must be refused, each with its errno.

use nix::errno::Errno;

use super::mappings::mapped;
use super::{Check, fail};
use crate::dma::Probe;
use crate::{Device, Error, Result};

/// Every mapping and unmapping that must be refused.
pub fn all(device: &Device) -> Vec<Check> {
    const FIRST: &str = "dma refuses: mapped twice";
    let tried = device.probe_dma().and_then(|mut probe| {
        let io = |error| Error::io(&error, "allocation of memory");
        let page = probe.page() as usize;
        let slot = probe.memory(4 * page, None).map_err(io)?;
        let mut checks = beside_one(device, &mut probe, slot)?;
        checks.extend(malformed(device, &mut probe, slot));
        checks.extend(overflow(device, &mut probe, slot));
        Ok(checks)
    });
    match tried {
        Ok(checks) => checks,
        Err(error) => vec![mapped(FIRST, Err(error))],
    }
}

type Slot = crate::dma::ProbeSlot;

/// The refusal must come, and be this one.
fn refused(device: &Device, name: &str, outcome: Result<()>, wanted: &[Errno]) -> Check {
    let what = "refusal of DMA memory";
    match outcome {
        Ok(()) => Check::of(name, Err(fail(device, what, "the kernel went along with it"))),
        Err(error) => match error.raw_errno() {
            Some(errno) if wanted.is_empty() || wanted.contains(&errno) => {
                Check::of(name, Ok(format!("{errno:?}")))
            }
            // Fewer bytes than asked for is what the kernel says instead of an errno.
            None if wanted.is_empty() => Check::of(name, Ok(error.cause().unwrap_or("refused").to_string())),
            _ => {
                let why = format!("{wanted:?} is the answer to it, not: {error}");
                Check::of(name, Err(fail(device, what, why)))
            }
        },
    }
}

/// What a mapping of two pages keeps others from.
fn beside_one(device: &Device, probe: &mut Probe<'_>, slot: Slot) -> Result<Vec<Check>> {
    let page = probe.page() as usize;
    let iova = probe
        .address(4 * page as u64, page as u64)
        .ok_or_else(|| fail(device, "mapping of DMA memory", "four pages of the IOVA space are not free"))?;
    probe.map(iova, slot, 0, 2 * page)?;
    let second = iova + page as u64;
    let mut checks = vec![
        refused(device, "dma refuses: mapped twice", probe.map(iova, slot, 0, 2 * page), &[Errno::EEXIST]),
        refused(device, "dma refuses: overlap", probe.map(second, slot, 0, 2 * page), &[Errno::EEXIST]),
        refused(device, "dma refuses: unmap of a part", probe.unmap(second, page), &[Errno::EINVAL]),
    ];
    let unmapped = probe.unmap(iova, 2 * page);
    checks.push(Check::of("dma: unmap after refusals", unmapped.map(|()| "the mapping was whole".into())));
    checks.push(refused(device, "dma refuses: unmap twice", probe.unmap(iova, 2 * page), &[]));
    Ok(checks)
}

/// Lengths and addresses that no page begins or ends at, and addresses outside.
fn malformed(device: &Device, probe: &mut Probe<'_>, slot: Slot) -> Vec<Check> {
    let page = probe.page() as usize;
    let Some(iova) = probe.address(4 * page as u64, page as u64) else { return Vec::new() };
    let invalid = &[Errno::EINVAL];
    let mut checks = vec![
        refused(device, "dma refuses: no length", probe.map(iova, slot, 0, 0), invalid),
        refused(device, "dma refuses: unaligned length", probe.map(iova, slot, 0, page - 1), invalid),
        refused(device, "dma refuses: unaligned IOVA", probe.map(iova + 1, slot, 0, page), invalid),
        refused(device, "dma refuses: unaligned memory", probe.map(iova, slot, 1, page), invalid),
    ];
    const OUTSIDE: &str = "dma refuses: outside the ranges";
    checks.push(match outside(device, page as u64) {
        Ok(Some(iova)) => refused(device, OUTSIDE, probe.map(iova, slot, 0, page), invalid),
        Ok(None) => Check::absent(OUTSIDE, "the ranges leave nothing out"),
        Err(error) => Check::of(OUTSIDE, Err(error)),
    });
    checks
}

/// A page that the IOMMU's ranges leave out: in a gap, or behind the last.
fn outside(device: &Device, page: u64) -> Result<Option<u64>> {
    let ranges = device.backend()?.iommu()?.ranges;
    let after = |end: u64| end.checked_add(1)?.checked_next_multiple_of(page);
    let is_outside = |iova: &u64| !ranges.iter().any(|range| range.contains(iova));
    Ok(ranges.iter().filter_map(|range| after(*range.end())).find(is_outside))
}

/// `overflow` of `vfio_dma_map_limit_test`, from the last page of all addresses on. Older kernels say EINVAL.
fn overflow(device: &Device, probe: &mut Probe<'_>, slot: Slot) -> Vec<Check> {
    let page = probe.page();
    let (iova, len) = (!(page - 1), 2 * page as usize);
    let wanted = &[Errno::EOVERFLOW, Errno::EINVAL];
    vec![
        refused(device, "dma_map_limit overflow: map", probe.map(iova, slot, 0, len), wanted),
        refused(device, "dma_map_limit overflow: unmap", probe.unmap(iova, len), wanted),
    ]
}
