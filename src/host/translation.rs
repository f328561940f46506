//! How an IOMMU translates an address, where the kernel shows its tables: Intel's, in debugfs.

use super::{Host, files};
use crate::pci::Address;

/// How the IOMMU translates an address, as far as that can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Translation {
    /// It cannot be seen, for this reason.
    Unseen(String),
    /// The address leads nowhere.
    Nowhere,
    /// By a page of so many bytes.
    Page(u64),
}

impl Host {
    /// How the function's IOMMU translates `iova`.
    ///
    /// Source: `drivers/iommu/intel/debugfs.c` and `tools/testing/selftests/vfio/vfio_dma_mapping_test.c` of Linux.
    pub(crate) fn translation_of(&self, function: Address, iova: u64) -> Translation {
        let tables = self.sys.join("kernel/debug/iommu/intel");
        let path = tables.join(function.to_string()).join("domain_translation_struct");
        match files::text(&path) {
            Some(text) => page_of(&text, iova),
            None => Translation::Unseen(format!(
                "{} is not to be read: only root sees it, on kernels with CONFIG_INTEL_IOMMU_DEBUGFS",
                path.display()
            )),
        }
    }
}

/// Each line is a page frame and the entries on the way to it, of which the last three can be a page.
fn page_of(text: &str, iova: u64) -> Translation {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    for line in text.lines() {
        let words = line.split(|c: char| c.is_whitespace() || c == '|').filter(|word| !word.is_empty());
        let Some(entries) = words.map(number).collect::<Option<Vec<u64>>>() else { continue };
        let Some((frame, entries)) = entries.split_first() else { continue };
        let entry = |level: usize| entries.get(level).is_some_and(|entry| *entry != 0);
        let size = match (entry(2), entry(3), entry(4)) {
            (_, _, true) => 1_u64 << 12,
            (_, true, _) => 1 << 21,
            (true, ..) => 1 << 30,
            _ => continue,
        };
        if iova & !(size - 1) == frame << 12 {
            return Translation::Page(size);
        }
    }
    Translation::Nowhere
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    #[test]
    fn the_last_entry_on_the_way_says_the_size() {
        let machine = Machine::new();
        let address: Address = "0000:00:03.0".parse().unwrap();
        let seen = |iova| machine.host().translation_of(address, iova);
        assert!(matches!(seen(0), Translation::Unseen(why) if why.contains("CONFIG_INTEL_IOMMU_DEBUGFS")));
        machine.file(
            "sys/kernel/debug/iommu/intel/0000:00:03.0/domain_translation_struct",
            "Device 0000:00:03.0 @0x1027a0000\nIOVA_PFN\t\tPML5E\t\t\tPML4E\t\t\tPDPE\t\t\tPDE\t\t\tPTE\n\
             0x0000000000001 |\t0x0000000000000000\t0x00000001027d1003\t0x00000001027d2003\t0x00000001027d3003\t0x0000000010001003\n\
             0x0000000000200 |\t0x0000000000000000\t0x00000001027d1003\t0x00000001027d2003\t0x0000000010200083\n\
             0x0000000040000 |\t0x0000000000000000\t0x00000001027d1003\t0x0000000040000083\n",
        );
        assert_eq!(seen(0x1000), Translation::Page(4096));
        assert_eq!(seen(0x2000), Translation::Nowhere);
        assert_eq!(
            (seen(0x20_0000), seen(0x3f_f000)),
            (Translation::Page(1 << 21), Translation::Page(1 << 21))
        );
        assert_eq!(seen(0x4000_0000), Translation::Page(1 << 30));
    }
}
