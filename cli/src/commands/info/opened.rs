//! What VFIO says of a device that is open.

use dirql::backend::{IommuInfo, IrqIndex, IrqInfo, RegionIndex};
use dirql::pci::ConfigSpace;
use dirql::{Device, Result};
use serde_json::{Value, json};

use super::page::Page;
use super::{bytes, hex};

/// What VFIO says of a device.
pub struct Opened {
    regions: Vec<Value>,
    interrupts: Vec<(IrqIndex, IrqInfo)>,
    iommu: IommuInfo,
    resettable: bool,
    /// The configuration space, whole.
    pub config: Result<ConfigSpace>,
}

const INTERRUPTS: [IrqIndex; 5] =
    [IrqIndex::Intx, IrqIndex::Msi, IrqIndex::Msix, IrqIndex::Error, IrqIndex::Request];

impl Opened {
    /// Asks the device, and leaves it as it is.
    pub fn of(device: &Device) -> Result<Self> {
        let backend = device.backend()?;
        let mut regions = Vec::new();
        for index in (0..=7).map(RegionIndex) {
            let info = backend.region(index)?;
            if info.len > 0 {
                let windows =
                    info.mappable.iter().map(|window| json!({ "offset": window.offset, "len": window.len }));
                regions.push(json!({
                    "index": index.0,
                    "name": index.name(),
                    "len": info.len,
                    "readable": info.readable,
                    "writable": info.writable,
                    "mappable": windows.collect::<Vec<_>>(),
                }));
            }
        }
        // Not every kernel knows every index.
        let interrupts = INTERRUPTS
            .into_iter()
            .filter_map(|index| Some((index, backend.irq(index).ok()?)))
            .filter(|(_, info)| info.count > 0)
            .collect();
        Ok(Self {
            regions,
            interrupts,
            iommu: backend.iommu()?,
            resettable: backend.resettable(),
            config: device.config().snapshot(),
        })
    }

    /// As JSON.
    pub fn document(&self) -> Value {
        let ranges = self
            .iommu
            .ranges
            .iter()
            .map(|range| json!({ "first": hex(*range.start()), "last": hex(*range.end()) }));
        let interrupts = self.interrupts.iter().map(|(index, info)| {
            json!({
                "index": index.to_string(),
                "count": info.count,
                "maskable": info.maskable,
                "automasked": info.automasked,
                "noresize": info.noresize,
            })
        });
        json!({
            "regions": self.regions,
            "interrupts": interrupts.collect::<Vec<_>>(),
            "iova_ranges": ranges.collect::<Vec<_>>(),
            "page_sizes": page_sizes(self.iommu.page_sizes).collect::<Vec<_>>(),
            "mappings_left": self.iommu.mappings_left,
            "resettable": self.resettable,
        })
    }

    /// How many vectors a kind of interrupt has.
    pub fn vectors(&self, wanted: IrqIndex) -> u32 {
        self.interrupts.iter().find(|(index, _)| *index == wanted).map_or(0, |(_, info)| info.count)
    }

    /// As text.
    pub fn text(&self, page: &mut Page<'_>) {
        for region in &self.regions {
            let flag = |name: &str, letter| if region[name] == true { letter } else { '-' };
            let windows = region["mappable"].as_array().map_or(0, Vec::len);
            let way = if windows > 0 { "mapped" } else { "by calls" };
            let name = match region["name"].as_str().unwrap_or_default() {
                "configuration space" => "configuration",
                name => name,
            };
            let flags = [flag("readable", 'r'), flag("writable", 'w')].iter().collect::<String>();
            page.line(name, format!("{flags}  {way:<8}  {}", bytes(region["len"].as_u64().unwrap_or(0))));
        }
        for (index, info) in &self.interrupts {
            let flags = [
                (info.maskable, "maskable"),
                (info.automasked, "masked when it fires"),
                (info.noresize, "set once"),
            ];
            let flags: Vec<_> = flags.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
            let plural = if info.count == 1 { " " } else { "s" };
            page.line(&index.to_string(), format!("{:>4} vector{plural}  {}", info.count, flags.join(", ")));
        }
        for range in &self.iommu.ranges {
            page.line("IOVA", format!("{:#x} to {:#x}", range.start(), range.end()));
        }
        let sizes: Vec<_> = page_sizes(self.iommu.page_sizes).map(bytes).collect();
        page.optional("pages", (!sizes.is_empty()).then(|| sizes.join(", ")));
        page.line("mappings left", self.iommu.mappings_left.to_string());
        page.line("reset", if self.resettable { "yes" } else { "no" });
    }
}

/// The sizes that the IOMMU reports one by one; it may report every size, as type 1 does, and then the smallest says it.
fn page_sizes(bits: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|bit| 1_u64 << bit).filter(move |size| bits & size != 0).take(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::edu;

    #[test]
    fn describes_a_device() {
        let opened = Opened::of(&edu()).unwrap();
        let document = opened.document();
        assert_eq!(document["regions"][0]["name"], "BAR 0");
        assert!(document["interrupts"].as_array().unwrap().iter().any(|index| index["index"] == "MSI"));
        assert_eq!((opened.vectors(IrqIndex::Msi), opened.vectors(IrqIndex::Msix)), (1, 0));
        let mut page = Page::new(&str::to_string);
        opened.text(&mut page);
        let text = page.text();
        assert!(text.contains("BAR 0") && text.contains("IOVA"), "{text}");
        assert_eq!(opened.config.unwrap().vendor_id(), 0x1234);
    }
}
