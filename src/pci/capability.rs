//! The two lists of capabilities, walked without trusting a pointer in them, and the few capabilities that a
//! driver asks for, decoded.

use super::ConfigSpace;
use super::register as reg;

/// A capability of the first list (PCI Express base specification, 7.5.3 and on).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Capability ID.
    pub id: u8,
    /// Where it stands in configuration space, in bytes: 0x40 to 0xfc, a multiple of four.
    pub offset: u16,
}

impl Capability {
    /// The name that the specification gives this ID.
    pub fn name(self) -> &'static str {
        match self.id {
            0x00 => "Null",
            0x01 => "Power Management",
            0x02 => "AGP",
            0x03 => "Vital Product Data",
            0x04 => "Slot Identification",
            0x05 => "MSI",
            0x06 => "CompactPCI Hot Swap",
            0x07 => "PCI-X",
            0x08 => "HyperTransport",
            0x09 => "Vendor-Specific",
            0x0a => "Debug Port",
            0x0b => "CompactPCI Resource Control",
            0x0c => "Hot-Plug",
            0x0d => "Bridge Subsystem Vendor ID",
            0x0e => "AGP 8x",
            0x0f => "Secure Device",
            0x10 => "PCI Express",
            0x11 => "MSI-X",
            0x12 => "SATA Data/Index",
            0x13 => "Advanced Features",
            0x14 => "Enhanced Allocation",
            0x15 => "Flattening Portal Bridge",
            _ => "Unknown",
        }
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
    /// The name that the specification gives this ID.
    pub fn name(self) -> &'static str {
        match self.id {
            0x0000 => "Null",
            0x0001 => "Advanced Error Reporting",
            0x0002 | 0x0009 => "Virtual Channel",
            0x0003 => "Device Serial Number",
            0x0004 => "Power Budgeting",
            0x0005 => "Root Complex Link Declaration",
            0x0006 => "Root Complex Internal Link Control",
            0x0007 => "Root Complex Event Collector Endpoint Association",
            0x0008 => "Multi-Function Virtual Channel",
            0x000a => "Root Complex Register Block Header",
            0x000b => "Vendor-Specific",
            0x000d => "Access Control Services",
            0x000e => "Alternative Routing-ID Interpretation",
            0x000f => "Address Translation Services",
            0x0010 => "Single Root I/O Virtualization",
            0x0012 => "Multicast",
            0x0013 => "Page Request Interface",
            0x0015 => "Resizable BAR",
            0x0016 => "Dynamic Power Allocation",
            0x0017 => "TPH Requester",
            0x0018 => "Latency Tolerance Reporting",
            0x0019 => "Secondary PCI Express",
            0x001b => "Process Address Space ID",
            0x001d => "Downstream Port Containment",
            0x001e => "L1 PM Substates",
            0x001f => "Precision Time Measurement",
            0x0023 => "Designated Vendor-Specific",
            0x0024 => "VF Resizable BAR",
            0x0025 => "Data Link Feature",
            0x0026 => "Physical Layer 16.0 GT/s",
            0x0027 => "Lane Margining at the Receiver",
            0x002a => "Physical Layer 32.0 GT/s",
            0x002e => "Data Object Exchange",
            _ => "Unknown",
        }
    }
}

/// Iterates over the first list. Ends at a pointer below 0x40, at a capability seen before, at ID 0xff and at the
/// snapshot's end, so that no content makes it loop.
#[derive(Debug, Clone)]
pub struct Capabilities<'a> {
    config: &'a ConfigSpace,
    next: u8,
    seen: u64,
}

impl Iterator for Capabilities<'_> {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        // The two low bits of a pointer are reserved, and masked as the specification asks.
        let offset = self.next & !3;
        let bit = 1u64 << (offset / 4);
        if offset < 0x40 || self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        let offset = u16::from(offset);
        let id = self.config.read_u8(offset).filter(|&id| id != u8::MAX)?;
        self.next = self.config.read_u8(offset + 1)?;
        Some(Capability { id, offset })
    }
}

/// Iterates over the extended list, as careful as [`Capabilities`].
#[derive(Debug, Clone)]
pub struct ExtendedCapabilities<'a> {
    config: &'a ConfigSpace,
    next: u16,
    seen: [u64; 16],
}

impl Iterator for ExtendedCapabilities<'_> {
    type Item = ExtendedCapability;

    fn next(&mut self) -> Option<ExtendedCapability> {
        let offset = self.next & 0xffc;
        let (word, bit) = (usize::from(offset / 256), 1u64 << (offset / 4 % 64));
        if offset < reg::EXTENDED_CAPABILITIES || self.seen[word] & bit != 0 {
            return None;
        }
        self.seen[word] |= bit;
        let header = self.config.read_u32(offset).filter(|&header| header != 0 && header != u32::MAX)?;
        self.next = (header >> 20) as u16;
        Some(ExtendedCapability { id: header as u16, version: (header >> 16 & 15) as u8, offset })
    }
}

impl ConfigSpace {
    /// The capabilities of the first list, in its order; none where the snapshot is the header alone.
    pub fn capabilities(&self) -> Capabilities<'_> {
        let listed = self.status() & reg::STATUS_CAPABILITIES_LIST != 0;
        let next = self.read_u8(reg::CAPABILITIES_POINTER).filter(|_| listed).unwrap_or(0);
        Capabilities { config: self, next, seen: 0 }
    }

    /// The extended capabilities, in the list's order; none where the snapshot is shorter than 4096 bytes.
    pub fn extended_capabilities(&self) -> ExtendedCapabilities<'_> {
        ExtendedCapabilities { config: self, next: reg::EXTENDED_CAPABILITIES, seen: [0; 16] }
    }

    fn find(&self, id: u8) -> Option<u16> {
        self.capabilities().find(|capability| capability.id == id).map(|capability| capability.offset)
    }

    /// The MSI capability (7.7.1).
    pub fn msi(&self) -> Option<Msi> {
        let control = self.read_u16(self.find(reg::CAPABILITY_MSI)? + 2)?;
        Some(Msi {
            // 6 and 7 are reserved; 32 is the most that there can be.
            vectors: 1 << (control >> 1 & 7).min(5),
            enabled: control & 1 != 0,
            is_64_bit: control & 1 << 7 != 0,
            maskable: control & 1 << 8 != 0,
        })
    }

    /// The MSI-X capability (7.7.2).
    pub fn msix(&self) -> Option<MsiX> {
        let offset = self.find(reg::CAPABILITY_MSIX)?;
        let control = self.read_u16(offset + 2)?;
        let (table, pba) = (self.read_u32(offset + 4)?, self.read_u32(offset + 8)?);
        Some(MsiX {
            table_size: (control & 0x7ff) + 1,
            enabled: control & 1 << 15 != 0,
            table_bir: (table & 7) as u8,
            table_offset: table & !7,
            pba_bir: (pba & 7) as u8,
            pba_offset: pba & !7,
        })
    }

    /// The PCI Express capability (7.5.3).
    pub fn express(&self) -> Option<Express> {
        let offset = self.find(reg::CAPABILITY_EXPRESS)?;
        let (flags, device) = (self.read_u16(offset + 2)?, self.read_u32(offset + 4)?);
        Some(Express {
            version: (flags & 15) as u8,
            port_type: (flags >> 4 & 15) as u8,
            max_payload_supported: 128 << (device & 7),
            function_level_reset: device & 1 << 28 != 0,
        })
    }

    /// The Power Management capability (7.5.2).
    pub fn power_management(&self) -> Option<PowerManagement> {
        let status = self.read_u16(self.find(reg::CAPABILITY_POWER_MANAGEMENT)? + 4)?;
        Some(PowerManagement { state: (status & 3) as u8, no_soft_reset: status & 1 << 3 != 0 })
    }

    /// Whether the function says that it can be reset alone: by PCI Express, or by Advanced Features.
    pub fn has_function_level_reset(&self) -> bool {
        self.express().is_some_and(|express| express.function_level_reset)
            || self
                .find(reg::CAPABILITY_ADVANCED_FEATURES)
                .and_then(|offset| self.read_u8(offset + 3))
                .is_some_and(|features| features & 0b10 != 0)
    }
}

/// What the MSI capability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Msi {
    /// How many vectors the function can send: 1, 2, 4, 8, 16 or 32.
    pub vectors: u16,
    /// Whether it is on.
    pub enabled: bool,
    /// Whether the message address has 64 bits.
    pub is_64_bit: bool,
    /// Whether each vector can be masked.
    pub maskable: bool,
}

/// What the MSI-X capability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiX {
    /// How many vectors the table holds, 1 to 2048.
    pub table_size: u16,
    /// Whether it is on.
    pub enabled: bool,
    /// The BAR that holds the table.
    pub table_bir: u8,
    /// Where in that BAR, in bytes.
    pub table_offset: u32,
    /// The BAR that holds the pending bits.
    pub pba_bir: u8,
    /// Where in that BAR, in bytes.
    pub pba_offset: u32,
}

/// The basics of the PCI Express capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Express {
    /// Version of its layout.
    pub version: u8,
    /// Device/port type: 0 an endpoint, 1 a legacy endpoint, 4 a root port, 9 an integrated endpoint.
    pub port_type: u8,
    /// The largest payload that it can take, in bytes.
    pub max_payload_supported: u32,
    /// Whether it can be reset alone (FLR).
    pub function_level_reset: bool,
}

/// The basics of the Power Management capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerManagement {
    /// The power state: 0 for D0 (running) to 3 for D3hot.
    pub state: u8,
    /// Whether D3hot to D0 keeps the state; if not, that transition resets the function.
    pub no_soft_reset: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let wild = config(256, &[(0x34, &[0x40]), (0x40, &[1, 0x10])]);
        assert_eq!(wild.capabilities().count(), 1);
        let header = config(64, &[(0x34, &[0x40])]);
        assert_eq!(header.capabilities().count(), 0);
        assert_eq!(ConfigSpace::new(vec![0xff; 4096]).unwrap().capabilities().count(), 0);
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
