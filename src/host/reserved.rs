//! What an IOMMU group may not use, and how the kernel translates for it.

use super::{Group, Host, files};

/// Addresses that mappings of a group must leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedRegion {
    /// The first address.
    pub first: u64,
    /// The last address.
    pub last: u64,
    /// `direct` (identity-mapped by firmware's order), `direct-relaxable`, `reserved`, `msi` or `sw-msi`.
    pub kind: String,
}

impl Host {
    /// The reserved regions of a group, in ascending order.
    pub fn reserved_regions(&self, group: &Group) -> Vec<ReservedRegion> {
        let text = files::text(self.group_path(group).join("reserved_regions")).unwrap_or_default();
        let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
        let mut regions: Vec<ReservedRegion> = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let (first, last) = (number(words.next()?)?, number(words.next()?)?);
                Some(ReservedRegion { first, last, kind: words.next()?.to_string() })
            })
            .collect();
        regions.sort_unstable_by_key(|region| region.first);
        regions
    }

    /// How the kernel translates for a group while its own drivers have it: `DMA`, `DMA-FQ`, `identity`; `None` before
    /// kernel 5.11 and for a user who may not see it.
    pub fn translation(&self, group: &Group) -> Option<String> {
        files::text(self.group_path(group).join("type"))
    }

    fn group_path(&self, group: &Group) -> std::path::PathBuf {
        self.sys.join("kernel/iommu_groups").join(group.number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn regions_have_kinds() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x100e, None, Some(3));
        machine.file(
            "sys/kernel/iommu_groups/3/reserved_regions",
            "0x00000000fee00000 0x00000000feefffff msi\nwhat\n\
             0x0000000000000000 0x0000000000ffffff direct-relaxable\n",
        );
        machine.file("sys/kernel/iommu_groups/3/type", "DMA-FQ\n");
        let (host, group) = (machine.host(), machine.host().group(3).unwrap());
        let kinds: Vec<_> = host.reserved_regions(&group).into_iter().map(|region| region.kind).collect();
        assert_eq!(kinds, ["direct-relaxable", "msi"]);
        assert_eq!(host.reserved_regions(&group)[1].last, 0xfeef_ffff);
        assert_eq!(host.translation(&group).as_deref(), Some("DMA-FQ"));
    }
}
