//! DMA mappings that must succeed: of each page size, at the end of the IOVA space, of a BAR, and from the pool.

use super::{Check, fail};
use crate::backend::{RegionIndex, Translation};
use crate::dma::{DmaMask, Probe};
use crate::{Code, Device, Error, Result};

const MIB_2: u64 = 2 << 20;
const GIB_1: u64 = 1 << 30;

/// A memory that `dma_map_unmap` is tried with.
struct Variant {
    name: &'static str,
    /// Bytes; 0 for one page.
    size: u64,
    /// Huge pages of 2 to the power of this.
    huge: Option<u8>,
}

/// The variants of `vfio_dma_mapping_test`, and last the test of `vfio_pci_device_test`.
const VARIANTS: [Variant; 4] = [
    Variant { name: "anonymous", size: 0, huge: None },
    Variant { name: "hugetlb_2mb", size: MIB_2, huge: Some(21) },
    Variant { name: "hugetlb_1gb", size: GIB_1, huge: Some(30) },
    Variant { name: "2mb", size: MIB_2, huge: None },
];

/// Every mapping that must succeed.
pub fn all(device: &Device) -> Vec<Check> {
    let mut probe = match device.probe_dma() {
        Ok(probe) => probe,
        Err(error) => return vec![Check::of("dma_map_unmap", Err(error))],
    };
    let mut checks: Vec<Check> =
        VARIANTS.iter().flat_map(|variant| map_unmap(device, &mut probe, variant)).collect();
    checks.extend(limit(device, &mut probe));
    checks.extend(bar(device, &mut probe));
    checks.push(count(device, &mut probe));
    checks
}

/// A refusal for want of a right to lock memory says nothing of the device.
pub fn mapped(name: impl Into<String>, seen: Result<String>) -> Check {
    match seen {
        Err(error) if error.catalogue_code() == Some(Code::E9) => Check::absent(name, error.to_string()),
        seen => Check::of(name, seen),
    }
}

/// Maps, looks how the IOMMU does it, unmaps, and looks whether it is gone.
fn map_unmap(device: &Device, probe: &mut Probe<'_>, variant: &Variant) -> Vec<Check> {
    let name = |what: &str| format!("dma_map_unmap {}: {what}", variant.name);
    let absent =
        |why: &str| ["map", "page", "unmap", "gone"].map(|what| Check::absent(name(what), why)).into();
    let size = if variant.size == 0 { probe.page() } else { variant.size };
    let slot = match probe.memory(size as usize, variant.huge) {
        Ok(slot) => slot,
        Err(error) if variant.huge.is_some() => return absent(&format!("no such page is free: {error}")),
        Err(error) => return vec![Check::of(name("map"), Err(Error::io(&error, "allocation of memory")))],
    };
    let align = if variant.huge.is_some() { size } else { probe.page() };
    let Some(iova) = probe.address(size, align) else {
        return absent("the IOVA space has no such free range");
    };
    let outcome = probe.map(iova, slot, 0, size as usize);
    let is_mapped = outcome.is_ok();
    let seen = outcome.map(|()| format!("{size:#x} bytes at IOVA {iova:#x}"));
    let mut checks = vec![mapped(name("map"), seen)];
    if !is_mapped {
        checks.extend(["page", "unmap", "gone"].map(|what| Check::absent(name(what), "it was not mapped")));
        return checks;
    }
    let page = match (probe.translation(iova), variant.huge) {
        (Translation::Unseen(why), _) => Check::absent(name("page"), why),
        // Pages that happen to lie together may be mapped by larger ones.
        (Translation::Page(page), None) if page >= probe.page() => {
            Check::of(name("page"), Ok(format!("{page:#x}")))
        }
        (Translation::Page(page), _) if page == size => Check::of(name("page"), Ok(format!("{page:#x}"))),
        (seen, _) => {
            let why = format!("memory in pages of {size:#x} bytes is translated by {seen:?}");
            Check::of(name("page"), Err(fail(device, "mapping of DMA memory", why)))
        }
    };
    checks.push(page);
    let unmapped = probe.unmap(iova, size as usize);
    let is_unmapped = unmapped.is_ok();
    checks.push(Check::of(name("unmap"), unmapped.map(|()| format!("{size:#x} bytes"))));
    checks.push(if is_unmapped {
        Check::of(name("gone"), gone(device, probe, iova, size as usize))
    } else {
        Check::absent(name("gone"), "it was not unmapped")
    });
    checks
}

/// What is gone is not translated, cannot be unmapped again, and leaves room for another mapping.
fn gone(device: &Device, probe: &mut Probe<'_>, iova: u64, len: usize) -> Result<String> {
    let wrong = |probe: &mut Probe<'_>, why: &str| {
        probe.doubt();
        Err(fail(device, "unmapping of DMA memory", why))
    };
    if let Translation::Page(_) = probe.translation(iova) {
        return wrong(probe, "the IOMMU translates the address all the same");
    }
    if probe.unmap(iova, len).is_ok() {
        return wrong(probe, "it could be unmapped once more");
    }
    let page = probe.page();
    let slot =
        probe.memory(page as usize, None).map_err(|error| Error::io(&error, "allocation of memory"))?;
    if let Err(error) = probe.map(iova, slot, 0, page as usize) {
        probe.doubt();
        return Err(error);
    }
    probe.unmap(iova, page as usize)?;
    Ok("the address can be mapped anew".into())
}

/// The last page of the IOVA space: `vfio_dma_map_limit_test`.
fn limit(device: &Device, probe: &mut Probe<'_>) -> Vec<Check> {
    let name = |what: &str| format!("dma_map_limit {what}");
    let names = ["unmap_range: map", "unmap_range: unmap", "unmap_all: map", "unmap_all: unmap"];
    let absent = |why: &str| names.map(|what| Check::absent(name(what), why)).into();
    let page = probe.page();
    let last = match device.backend().and_then(|backend| backend.iommu()) {
        Ok(iommu) => iommu.ranges.last().map_or(0, |range| *range.end()),
        Err(error) => return vec![Check::of(name(names[0]), Err(error))],
    };
    let iova = last & !(page - 1);
    if !probe.is_free(iova, page) {
        return absent("the last page of the IOVA space is taken, or not whole");
    }
    let slot = match probe.memory(page as usize, None) {
        Ok(slot) => slot,
        Err(error) => return vec![Check::of(name(names[0]), Err(Error::io(&error, "allocation of memory")))],
    };
    let mut checks = Vec::new();
    for (index, all) in [(0, false), (2, true)] {
        if all && !probe.is_alone() {
            let why = "other memory is mapped, which would go too";
            checks.extend([2, 3].map(|index| Check::absent(name(names[index]), why)));
            break;
        }
        let outcome = probe.map(iova, slot, 0, page as usize);
        let is_mapped = outcome.is_ok();
        checks.push(mapped(name(names[index]), outcome.map(|()| format!("one page at IOVA {iova:#x}"))));
        if !is_mapped {
            checks.push(Check::absent(name(names[index + 1]), "it was not mapped"));
            continue;
        }
        let unmapped = if all {
            probe.unmap_all().and_then(|bytes| {
                if bytes == page {
                    return Ok(());
                }
                let why = format!("{bytes:#x} bytes were unmapped, of {page:#x}");
                Err(fail(device, "unmapping of all DMA memory", why))
            })
        } else {
            probe.unmap(iova, page as usize)
        };
        checks.push(Check::of(name(names[index + 1]), unmapped.map(|()| format!("{page:#x} bytes"))));
    }
    checks
}

/// The largest BAR that is mapped, as memory for DMA: `vfio_dma_mapping_mmio_test`, which type 1 allows.
fn bar(device: &Device, probe: &mut Probe<'_>) -> Vec<Check> {
    const NAMES: [&str; 3] = ["map_full_bar", "map_partial_bar", "map_bar_misaligned"];
    let name = |what: &str| format!("dma_mapping_mmio: {what}");
    let absent = |why: &str| NAMES.map(|what| Check::absent(name(what), why)).into();
    let Ok(backend) = device.backend() else { return absent("the device has gone") };
    let regions =
        (0..6).filter_map(|index| Some((RegionIndex(index), backend.region(RegionIndex(index)).ok()?)));
    let largest = regions
        .filter(|(_, info)| info.readable && info.writable)
        .filter_map(|(index, info)| Some((index, *info.mappable.iter().max_by_key(|window| window.len)?)))
        .max_by_key(|(_, window)| window.len);
    let Some((index, window)) = largest else { return absent("no BAR can be mapped") };
    let page = probe.page();
    let whole = window.len / page * page;
    if whole == 0 {
        return absent("no BAR has a whole page");
    }
    let slot = match backend.map(index, window) {
        Ok(map) => probe.window(map),
        Err(error) => return vec![Check::of(name(NAMES[0]), Err(error))],
    };
    let parts = [(0, whole), (0, page), (page, whole - page)];
    let tried = NAMES.into_iter().zip(parts).map(|(what, (offset, len))| {
        if len == 0 || what != NAMES[0] && whole < 2 * page {
            return Check::absent(name(what), format!("{} has one page", index.name()));
        }
        let Some(iova) = probe.address(len, MIB_2.min(len.next_power_of_two()).max(page)) else {
            return Check::absent(name(what), "the IOVA space has no such free range");
        };
        let outcome = probe
            .map(iova, slot, offset as usize, len as usize)
            .and_then(|()| probe.unmap(iova, len as usize));
        let seen = outcome.map(|()| format!("{len:#x} bytes of {} from {offset:#x} on", index.name()));
        mapped(name(what), seen)
    });
    tried.collect()
}

/// The kernel counts how many mappings are left.
fn count(device: &Device, probe: &mut Probe<'_>) -> Check {
    const NAME: &str = "dma mappings left";
    let left = || -> Result<u32> { Ok(device.backend()?.iommu()?.mappings_left) };
    let counted = |probe: &mut Probe<'_>| -> Result<Option<String>> {
        let page = probe.page() as usize;
        let Some(iova) = probe.address(page as u64, page as u64) else { return Ok(None) };
        let slot = probe.memory(page, None).map_err(|error| Error::io(&error, "allocation of memory"))?;
        let before = left()?;
        probe.map(iova, slot, 0, page)?;
        let during = left()?;
        probe.unmap(iova, page)?;
        let after = left()?;
        if (before.checked_sub(1), before) != (Some(during), after) {
            let why = format!("{before} before a mapping, {during} with it, {after} after it");
            return Err(fail(device, "counting of mappings", why));
        }
        Ok(Some(format!("{before}, and one less for a mapping")))
    };
    match counted(probe) {
        Ok(None) => Check::absent(NAME, "no page of the IOVA space is free"),
        Ok(Some(seen)) => mapped(NAME, Ok(seen)),
        Err(error) => mapped(NAME, Err(error)),
    }
}

/// Memory from the pool, as drivers take it.
pub fn pooled(device: &Device) -> Check {
    Check::of("DMA memory", pool(device))
}

fn pool(device: &Device) -> Result<String> {
    let iommu = device.backend()?.iommu()?;
    let mut buffer = device.dma(DmaMask::FULL).buffer(64 << 10)?;
    buffer.bytes_mut().fill(0xa5);
    let lent = buffer.lend();
    let (first, last) = (lent.iova().0, lent.iova().0 + (lent.len() as u64 - 1));
    if !iommu.ranges.iter().any(|range| range.contains(&first) && range.contains(&last)) {
        return Err(fail(device, "DMA memory", format!("IOVA {first:#x} is outside what the IOMMU allows")));
    }
    if lent.reclaim().bytes().iter().any(|&byte| byte != 0xa5) {
        return Err(fail(device, "DMA memory", "it changed while nothing ran"));
    }
    Ok(format!(
        "64 KiB at IOVA {first:#x}; {} ranges, {} mappings left",
        iommu.ranges.len(),
        iommu.mappings_left
    ))
}
