//! The header of a bridge (type 1): which buses lie behind it, and what it forwards to them.

use std::ops::RangeInclusive;

use super::register as reg;
use super::{ConfigSpace, bits};

/// What the header of a bridge says.
///
/// Source: PCI-to-PCI Bridge Architecture Specification 1.2, section 3.2.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The bus that it is on.
    pub primary: u8,
    /// The bus right behind it.
    pub secondary: u8,
    /// The last bus behind it.
    pub subordinate: u8,
    /// I/O ports that it forwards; `None` where it forwards none.
    pub io: Option<RangeInclusive<u64>>,
    /// Memory that it forwards.
    pub memory: Option<RangeInclusive<u64>>,
    /// Prefetchable memory that it forwards.
    pub prefetchable: Option<RangeInclusive<u64>>,
    /// The Bridge Control register: see [`Bridge::control_names`].
    pub control: u16,
}

impl Bridge {
    /// The bits of the Bridge Control register that are set.
    pub fn control_names(&self) -> Vec<&'static str> {
        const NAMES: [(u32, &str); 12] = [
            (0, "parity errors"),
            (1, "SERR forwarded"),
            (2, "ISA"),
            (3, "VGA"),
            (4, "VGA 16-bit decode"),
            (5, "master abort reported"),
            (6, "secondary bus reset"),
            (7, "fast back-to-back"),
            (8, "primary discard timer"),
            (9, "secondary discard timer"),
            (10, "discard timer expired"),
            (11, "discard timer SERR"),
        ];
        bits::names(self.control, &NAMES)
    }
}

impl ConfigSpace {
    /// What the header of a bridge says; `None` for what is none (type 1).
    pub fn bridge(&self) -> Option<Bridge> {
        if self.header_type() != 1 {
            return None;
        }
        let (io_base, io_limit) = (self.read_u8(reg::IO_BASE)?, self.read_u8(reg::IO_LIMIT)?);
        let wide = |register: u16| self.read_u16(register).map(u64::from);
        let io_high = |register| if io_base & 15 == 1 { wide(register) } else { Some(0) };
        let io = window(
            io_high(reg::IO_BASE_UPPER)? << 16 | u64::from(io_base & 0xf0) << 8,
            io_high(reg::IO_LIMIT_UPPER)? << 16 | u64::from(io_limit & 0xf0) << 8,
            0xfff,
        );
        let megabytes = |register| wide(register).map(|value| (value & 0xfff0) << 16);
        let memory = window(megabytes(reg::MEMORY_BASE)?, megabytes(reg::MEMORY_LIMIT)?, 0xf_ffff);
        let is_64_bit = self.read_u16(reg::PREFETCHABLE_BASE)? & 15 == 1;
        let high = |register| if is_64_bit { self.read_u32(register).map(u64::from) } else { Some(0) };
        let prefetchable = window(
            high(reg::PREFETCHABLE_BASE_UPPER)? << 32 | megabytes(reg::PREFETCHABLE_BASE)?,
            high(reg::PREFETCHABLE_LIMIT_UPPER)? << 32 | megabytes(reg::PREFETCHABLE_LIMIT)?,
            0xf_ffff,
        );
        Some(Bridge {
            primary: self.read_u8(reg::PRIMARY_BUS)?,
            secondary: self.read_u8(reg::SECONDARY_BUS)?,
            subordinate: self.read_u8(reg::SUBORDINATE_BUS)?,
            io,
            memory,
            prefetchable,
            control: self.read_u16(reg::BRIDGE_CONTROL)?,
        })
    }
}

/// A window is closed by a limit below its base; one that was never set up, from 0 to 0, is closed too.
fn window(base: u64, limit: u64, low_bits: u64) -> Option<RangeInclusive<u64>> {
    (base <= limit && limit != 0).then_some(base..=limit | low_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_open_where_the_limit_is_no_lower_than_the_base() {
        let mut bytes = vec![0_u8; 64];
        bytes[0x0e] = 1;
        bytes[0x18..0x1b].copy_from_slice(&[0, 1, 3]);
        bytes[0x1c..0x1e].copy_from_slice(&[0xc1, 0xd1]);
        bytes[0x20..0x24].copy_from_slice(&[0x80, 0xfe, 0x90, 0xfe]);
        bytes[0x24..0x28].copy_from_slice(&[0xf1, 0xff, 0x01, 0x00]);
        bytes[0x28] = 8;
        bytes[0x2c] = 8;
        bytes[0x3e] = 0x0a;
        let bridge = ConfigSpace::new(bytes.clone()).unwrap().bridge().unwrap();
        assert_eq!((bridge.primary, bridge.secondary, bridge.subordinate), (0, 1, 3));
        assert_eq!(bridge.io, Some(0xc000..=0xdfff));
        assert_eq!(bridge.memory, Some(0xfe80_0000..=0xfe9f_ffff));
        assert_eq!(bridge.prefetchable, None, "its limit is below its base");
        assert_eq!(bridge.control_names(), ["SERR forwarded", "VGA"]);
        bytes[0x24..0x28].copy_from_slice(&[0x01, 0x00, 0x11, 0x00]);
        let bridge = ConfigSpace::new(bytes.clone()).unwrap().bridge().unwrap();
        assert_eq!(bridge.prefetchable, Some(0x8_0000_0000..=0x8_001f_ffff));
        bytes[0x0e] = 0;
        assert_eq!(ConfigSpace::new(bytes).unwrap().bridge(), None);
    }
}
