//! The few capabilities that a driver asks for, decoded.

use super::ConfigSpace;
use super::register as reg;

impl ConfigSpace {
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
