//! The two lists of capabilities, walked without trusting a pointer in them.

use std::fmt;

use super::register as reg;
use super::{ConfigSpace, capability_names};

/// A capability of the first list (PCI Express base specification, 7.5.3 and on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Capability ID.
    pub id: u8,
    /// Where it stands in configuration space, in bytes: 0x40 to 0xfc, a multiple of four.
    pub offset: u16,
}

impl Capability {
    /// The name that the specification gives this ID; `Unknown` for one that it does not have.
    pub fn name(self) -> &'static str {
        capability_names::standard(self.id)
    }
}

/// A capability of the extended list of PCI Express (section 7.6 and on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapability {
    /// Extended capability ID.
    pub id: u16,
    /// Version of its layout, 0 to 15.
    pub version: u8,
    /// Where it stands in configuration space, in bytes: 0x100 to 0xffc, a multiple of four.
    pub offset: u16,
}

impl ExtendedCapability {
    /// The name that the specification gives this ID; `Unknown` for one that it does not have.
    pub fn name(self) -> &'static str {
        capability_names::extended(self.id)
    }
}

/// Why a list of capabilities ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFault {
    /// A pointer leads to a capability that came before: the list has no end.
    Loop {
        /// Where the pointer is.
        from: u16,
        /// Where it leads.
        to: u16,
    },
    /// A pointer leads to where no capability of this list may stand, or beyond what could be read.
    Outside {
        /// Where the pointer is.
        from: u16,
        /// Where it leads.
        to: u16,
    },
    /// There is nothing but ones where a capability should be.
    Ones {
        /// Where the pointer is.
        from: u16,
        /// Where it leads.
        to: u16,
    },
}

impl fmt::Display for ListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, what) = match *self {
            Self::Loop { from, to } => (from, to, "which came before: the list has no end"),
            Self::Outside { from, to } => (from, to, "where no capability of this list can be"),
            Self::Ones { from, to } => (from, to, "where all bits are ones"),
        };
        write!(f, "the list breaks off: the pointer at {from:#x} leads to {to:#x}, {what}")
    }
}

/// Iterates over the first list. Ends at a pointer below 0x40, at a capability seen before, at ID 0xff and at the
/// snapshot's end, so that no content makes it loop.
#[derive(Debug, Clone)]
pub struct Capabilities<'a> {
    config: &'a ConfigSpace,
    from: u16,
    next: u8,
    seen: u64,
    fault: Option<ListFault>,
}

impl Capabilities<'_> {
    /// What broke the list off; `None` while it goes on, and where it ended well.
    pub fn fault(&self) -> Option<ListFault> {
        self.fault
    }
}

impl Iterator for Capabilities<'_> {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        // The two low bits of a pointer are reserved, and masked as the specification asks.
        let offset = self.next & !3;
        self.next = 0;
        if offset == 0 {
            return None;
        }
        let (from, to, bit) = (self.from, u16::from(offset), 1u64 << (offset / 4));
        let broken = |fault| if self.config.is_header_only() { None } else { Some(fault) };
        if offset < 0x40 {
            self.fault = broken(ListFault::Outside { from, to });
            return None;
        }
        if self.seen & bit != 0 {
            self.fault = broken(ListFault::Loop { from, to });
            return None;
        }
        self.seen |= bit;
        let Some((id, next)) = self.config.read_u8(to).zip(self.config.read_u8(to + 1)) else {
            self.fault = broken(ListFault::Outside { from, to });
            return None;
        };
        if id == u8::MAX {
            self.fault = broken(ListFault::Ones { from, to });
            return None;
        }
        (self.from, self.next) = (to + 1, next);
        Some(Capability { id, offset: to })
    }
}

/// Iterates over the extended list, as careful as [`Capabilities`].
#[derive(Debug, Clone)]
pub struct ExtendedCapabilities<'a> {
    config: &'a ConfigSpace,
    from: u16,
    next: u16,
    seen: [u64; 16],
    fault: Option<ListFault>,
}

impl ExtendedCapabilities<'_> {
    /// What broke the list off; `None` while it goes on, and where it ended well.
    pub fn fault(&self) -> Option<ListFault> {
        self.fault
    }
}

impl Iterator for ExtendedCapabilities<'_> {
    type Item = ExtendedCapability;

    fn next(&mut self) -> Option<ExtendedCapability> {
        let (from, to) = (self.from, self.next & 0xffc);
        self.next = 0;
        if to == 0 {
            return None;
        }
        let (word, bit) = (usize::from(to / 256), 1u64 << (to / 4 % 64));
        if to < reg::EXTENDED_CAPABILITIES {
            self.fault = Some(ListFault::Outside { from, to });
            return None;
        }
        if self.seen[word] & bit != 0 {
            self.fault = Some(ListFault::Loop { from, to });
            return None;
        }
        self.seen[word] |= bit;
        // A function without any has zeroes or ones where the first would be.
        let is_first = from == 0;
        let header = match self.config.read_u32(to) {
            Some(0) => return None,
            Some(u32::MAX) | None if is_first => return None,
            Some(u32::MAX) => {
                self.fault = Some(ListFault::Ones { from, to });
                return None;
            }
            None => {
                self.fault = Some(ListFault::Outside { from, to });
                return None;
            }
            Some(header) => header,
        };
        (self.from, self.next) = (to, (header >> 20) as u16);
        Some(ExtendedCapability { id: header as u16, version: (header >> 16 & 15) as u8, offset: to })
    }
}

impl ConfigSpace {
    /// The capabilities of the first list, in its order; none where the snapshot is the header alone.
    pub fn capabilities(&self) -> Capabilities<'_> {
        let listed = self.status() & reg::STATUS_CAPABILITIES_LIST != 0;
        let next = self.read_u8(reg::CAPABILITIES_POINTER).filter(|_| listed).unwrap_or(0);
        Capabilities { config: self, from: reg::CAPABILITIES_POINTER, next, seen: 0, fault: None }
    }

    /// The extended capabilities, in the list's order; none where the snapshot is shorter than 4096 bytes.
    pub fn extended_capabilities(&self) -> ExtendedCapabilities<'_> {
        let next = reg::EXTENDED_CAPABILITIES;
        ExtendedCapabilities { config: self, from: 0, next, seen: [0; 16], fault: None }
    }

    /// What breaks either list off, if anything does.
    pub fn list_faults(&self) -> Vec<ListFault> {
        let (mut first, mut extended) = (self.capabilities(), self.extended_capabilities());
        first.by_ref().for_each(drop);
        extended.by_ref().for_each(drop);
        [first.fault(), extended.fault()].into_iter().flatten().collect()
    }

    /// Where the first capability with this ID stands in the first list.
    pub(super) fn find(&self, id: u8) -> Option<u16> {
        self.capabilities().find(|capability| capability.id == id).map(|capability| capability.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::{Msi, PowerManagement};
    use proptest::prelude::*;

    fn config(length: usize, patches: &[(usize, &[u8])]) -> ConfigSpace {
        let mut bytes = vec![0u8; length];
        bytes[6] = 0x10;
        for (offset, patch) in patches {
            bytes[*offset..offset + patch.len()].copy_from_slice(patch);
        }
        ConfigSpace::new(bytes).unwrap()
    }

    #[test]
    fn walks_and_decodes() {
        let config = config(
            4096,
            &[
                (0x34, &[0x41]),
                (0x40, &[0x01, 0x50, 0, 0, 0x08, 0]),
                (0x50, &[0x05, 0x60, 0x85, 0x01]),
                (0x60, &[0x10, 0x80, 0x02, 0, 0x02, 0, 0, 0x10]),
                (0x80, &[0x11, 0, 0x04, 0x80, 0x03, 0, 0, 0, 0x03, 0x20, 0, 0]),
                (0x100, &[0x01, 0, 0x02, 0x14]),
                (0x140, &[0x03, 0, 0x01, 0]),
            ],
        );
        let names: Vec<_> = config.capabilities().map(Capability::name).collect();
        assert_eq!(names, ["Power Management", "MSI", "PCI Express", "MSI-X"]);
        let names: Vec<_> = config.extended_capabilities().map(ExtendedCapability::name).collect();
        assert_eq!(names, ["Advanced Error Reporting", "Device Serial Number"]);
        assert_eq!(config.power_management(), Some(PowerManagement { state: 0, no_soft_reset: true }));
        assert_eq!(config.msi(), Some(Msi { vectors: 4, enabled: true, is_64_bit: true, maskable: true }));
        let msix = config.msix().unwrap();
        assert_eq!((msix.table_size, msix.enabled), (5, true));
        assert_eq!((msix.table_bir, msix.pba_bir, msix.pba_offset), (3, 3, 0x2000));
        assert_eq!(config.express().unwrap().max_payload_supported, 512);
        assert!(config.has_function_level_reset());
    }

    #[test]
    fn ends_at_loops_and_wild_pointers() {
        let looped = config(256, &[(0x34, &[0x40]), (0x40, &[1, 0x50]), (0x50, &[5, 0x40])]);
        assert_eq!(looped.capabilities().count(), 2);
        assert_eq!(looped.list_faults(), [ListFault::Loop { from: 0x51, to: 0x40 }]);
        let wild = config(256, &[(0x34, &[0x40]), (0x40, &[1, 0x10])]);
        assert_eq!(wild.capabilities().count(), 1);
        assert_eq!(wild.list_faults(), [ListFault::Outside { from: 0x41, to: 0x10 }]);
        let header = config(64, &[(0x34, &[0x40])]);
        assert_eq!((header.capabilities().count(), header.list_faults()), (0, vec![]));
        let ones = config(256, &[(0x34, &[0x40]), (0x40, &[0xff, 0xff])]);
        assert_eq!(ones.list_faults(), [ListFault::Ones { from: 0x34, to: 0x40 }]);
        assert_eq!(ConfigSpace::new(vec![0xff; 4096]).unwrap().capabilities().count(), 0);
        let well = config(256, &[(0x34, &[0x40]), (0x40, &[1, 0])]);
        assert_eq!((well.capabilities().count(), well.list_faults()), (1, vec![]));
    }

    #[test]
    fn an_extended_list_breaks_off_and_says_where() {
        let list = |second: [u8; 4]| config(4096, &[(0x100, &[1, 0, 2, 0x14]), (0x140, &second)]);
        for (second, fault) in [
            ([3, 0, 1, 0x10], Some(ListFault::Loop { from: 0x140, to: 0x100 })),
            ([3, 0, 1, 0x04], Some(ListFault::Outside { from: 0x140, to: 0x40 })),
            ([0xff; 4], Some(ListFault::Ones { from: 0x100, to: 0x140 })),
            ([3, 0, 1, 0], None),
        ] {
            assert_eq!(list(second).list_faults(), Vec::from_iter(fault), "{second:x?}");
        }
        let short = ConfigSpace::new(list([3, 0, 1, 0x30]).as_bytes()[..0x180].to_vec()).unwrap();
        assert_eq!(short.list_faults(), [ListFault::Outside { from: 0x140, to: 0x300 }]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_bounded_distinct_offsets(
            length in prop::sample::select(vec![64usize, 100, 256, 1000, 4096]),
            seed in prop::collection::vec(any::<u8>(), 64..4096),
        ) {
            let mut bytes: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
            bytes[6] |= 0x10;
            let config = ConfigSpace::new(bytes).unwrap();
            let mut offsets: Vec<u16> = config.capabilities().map(|c| c.offset).collect();
            offsets.extend(config.extended_capabilities().map(|c| c.offset));
            prop_assert!(offsets.iter().all(|&o| o >= 0x40 && o % 4 == 0 && usize::from(o) < length));
            let count = offsets.len();
            offsets.sort_unstable();
            offsets.dedup();
            prop_assert_eq!(offsets.len(), count);
            let _ = (config.msi(), config.msix(), config.express(), config.power_management());
            let _ = (config.has_function_level_reset(), (0..8).filter_map(|i| config.bar(i)).count());
        }
    }
}
