//! A snapshot of a function's configuration space, read by the names of the specification.

use std::fmt;

use super::register as reg;
use crate::{Error, ErrorKind, Result};

/// The length of the header that every function has, in bytes.
const HEADER: usize = 64;
/// The length of configuration space on PCI Express, in bytes.
const WHOLE: usize = 4096;

/// An owned copy of configuration space: 64 bytes (what sysfs shows an ordinary user), 256 (conventional PCI) or
/// 4096 (PCI Express). What changes on the device afterwards is not seen.
///
/// ```
/// let mut bytes = vec![0; 64];
/// bytes[..4].copy_from_slice(&[0x86, 0x80, 0x0e, 0x10]);
/// let config = dirql::pci::ConfigSpace::new(bytes).unwrap();
/// assert_eq!((config.vendor_id(), config.device_id()), (0x8086, 0x100e));
/// assert_eq!(config.capabilities().count(), 0);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigSpace {
    bytes: Vec<u8>,
}

impl ConfigSpace {
    /// A snapshot made of `bytes`, of which those beyond 4096 are dropped.
    ///
    /// # Errors
    /// `InvalidArgument` for fewer than 64 bytes: the header is not whole.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() < HEADER {
            return Err(Error::new(ErrorKind::InvalidArgument, "reading of configuration space")
                .why(format!("{} bytes do not hold the header of {HEADER}", bytes.len())));
        }
        bytes.truncate(WHOLE);
        Ok(Self { bytes })
    }

    /// The bytes of the snapshot.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the snapshot ends with the header, so that no capability can be seen (sysfs for an ordinary user).
    pub fn is_header_only(&self) -> bool {
        self.bytes.len() < 256
    }

    /// The byte at `offset`; `None` beyond the snapshot.
    pub fn read_u8(&self, offset: u16) -> Option<u8> {
        self.bytes.get(usize::from(offset)).copied()
    }

    /// The little-endian 16 bits at `offset`; `None` where they reach beyond the snapshot.
    pub fn read_u16(&self, offset: u16) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// The little-endian 32 bits at `offset`; `None` where they reach beyond the snapshot.
    pub fn read_u32(&self, offset: u16) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&self, offset: u16) -> Option<[u8; N]> {
        let start = usize::from(offset);
        self.bytes.get(start..start + N)?.try_into().ok()
    }

    // The header is whole by construction; all ones is what the bus gives where nothing answers.
    fn byte(&self, offset: u16) -> u8 {
        self.read_u8(offset).unwrap_or(u8::MAX)
    }

    fn word(&self, offset: u16) -> u16 {
        self.read_u16(offset).unwrap_or(u16::MAX)
    }

    /// Vendor ID; 0xffff where the function is gone.
    pub fn vendor_id(&self) -> u16 {
        self.word(reg::VENDOR_ID)
    }

    /// Device ID.
    pub fn device_id(&self) -> u16 {
        self.word(reg::DEVICE_ID)
    }

    /// The Command register.
    pub fn command(&self) -> Command {
        Command(self.word(reg::COMMAND))
    }

    /// The Status register: see the bits in [`register`](super::register).
    pub fn status(&self) -> u16 {
        self.word(reg::STATUS)
    }

    /// Revision ID.
    pub fn revision_id(&self) -> u8 {
        self.byte(reg::REVISION_ID)
    }

    /// The Class Code.
    pub fn class_code(&self) -> ClassCode {
        ClassCode {
            base: self.byte(reg::CLASS_CODE + 2),
            sub: self.byte(reg::CLASS_CODE + 1),
            interface: self.byte(reg::CLASS_CODE),
        }
    }

    /// The layout of the header, without the multi-function bit: 0 an endpoint, 1 a bridge, 2 CardBus.
    pub fn header_type(&self) -> u8 {
        self.byte(reg::HEADER_TYPE) & 0x7f
    }

    /// Whether the device has further functions.
    pub fn is_multi_function(&self) -> bool {
        self.byte(reg::HEADER_TYPE) & 0x80 != 0
    }

    /// Whether this is a bridge (header type 1 or 2), which vfio-pci does not take.
    pub fn is_bridge(&self) -> bool {
        self.header_type() != 0
    }

    /// Subsystem vendor and subsystem ID; `None` on a bridge, whose header has other registers there.
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        (!self.is_bridge()).then(|| (self.word(reg::SUBSYSTEM_VENDOR_ID), self.word(reg::SUBSYSTEM_ID)))
    }

    /// The raw Base Address Register `index`; `None` beyond what the header has: 0 to 5, on a bridge 0 and 1.
    pub fn bar_register(&self, index: u8) -> Option<u32> {
        let count = if self.is_bridge() { 2 } else { 6 };
        (index < count).then(|| self.read_u32(reg::BAR0 + 4 * u16::from(index))).flatten()
    }

    /// What Base Address Register `index` decodes; `None` beyond the header, and for an empty register.
    ///
    /// The upper half of a 64-bit BAR is a register of its own: it decodes to nonsense, so skip `index + 1`.
    pub fn bar(&self, index: u8) -> Option<Bar> {
        let low = self.bar_register(index)?;
        if low == 0 {
            return None;
        }
        if low & 1 != 0 {
            return Some(Bar::Io { port: low & !3 });
        }
        let is_64_bit = low & 6 == 4;
        let high = if is_64_bit { self.bar_register(index + 1)? } else { 0 };
        Some(Bar::Memory {
            address: u64::from(high) << 32 | u64::from(low & !15),
            is_64_bit,
            prefetchable: low & 8 != 0,
        })
    }

    /// Interrupt Pin: 0 for none, 1 to 4 for INTA to INTD.
    pub fn interrupt_pin(&self) -> u8 {
        self.byte(reg::INTERRUPT_PIN)
    }

    /// Interrupt Line, as firmware left it.
    pub fn interrupt_line(&self) -> u8 {
        self.byte(reg::INTERRUPT_LINE)
    }
}

impl fmt::Debug for ConfigSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ConfigSpace({:04x}:{:04x}, {} bytes)",
            self.vendor_id(),
            self.device_id(),
            self.bytes.len()
        )
    }
}

/// What a Base Address Register decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// I/O ports from `port` on.
    Io {
        /// The first port.
        port: u32,
    },
    /// Memory.
    Memory {
        /// The bus address.
        address: u64,
        /// Whether it takes the next register too.
        is_64_bit: bool,
        /// Whether reads have no side effects.
        prefetchable: bool,
    },
}

/// The Class Code: base class, sub-class, programming interface. Printed as sysfs does, without 0x: `020000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassCode {
    /// Base class: 0x02 is a network controller.
    pub base: u8,
    /// Sub-class: 0x00 under 0x02 is Ethernet.
    pub sub: u8,
    /// Programming interface.
    pub interface: u8,
}

impl ClassCode {
    /// The class code in the low 24 bits of `value`, as sysfs prints it.
    pub const fn from_u24(value: u32) -> Self {
        Self { base: (value >> 16) as u8, sub: (value >> 8) as u8, interface: value as u8 }
    }

    /// The class code as one number.
    pub const fn to_u24(self) -> u32 {
        (self.base as u32) << 16 | (self.sub as u32) << 8 | self.interface as u32
    }
}

impl fmt::Display for ClassCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.to_u24())
    }
}

/// The Command register (PCI Express base specification, 7.5.1.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Command(u16);

impl Command {
    /// Answers I/O accesses.
    pub const IO_SPACE: Self = Self(1 << 0);
    /// Answers memory accesses: without it a mapped BAR faults.
    pub const MEMORY_SPACE: Self = Self(1 << 1);
    /// May read and write memory, and send MSI: without it there is no DMA.
    pub const BUS_MASTER: Self = Self(1 << 2);
    /// Must not assert INTx.
    pub const INTX_DISABLE: Self = Self(1 << 10);

    /// The register with these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits of the register.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The register with the bits of `other` set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The register with the bits of `other` clear.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:#06x}", self.0)?;
        for (bit, name) in [
            (Self::IO_SPACE, "IO_SPACE"),
            (Self::MEMORY_SPACE, "MEMORY_SPACE"),
            (Self::BUS_MASTER, "BUS_MASTER"),
            (Self::INTX_DISABLE, "INTX_DISABLE"),
        ] {
            if self.contains(bit) {
                write!(f, " {name}")?;
            }
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_header() {
        let mut bytes = vec![0u8; 64];
        bytes[0..4].copy_from_slice(&[0x86, 0x80, 0xd3, 0x10]);
        bytes[4..6].copy_from_slice(&0x0406u16.to_le_bytes());
        bytes[8..12].copy_from_slice(&[3, 0x02, 0x08, 0x01]);
        bytes[0x0e] = 0x80;
        bytes[0x10..0x18].copy_from_slice(&[0x0c, 0, 0, 0xfe, 1, 0, 0, 0]);
        bytes[0x18..0x1c].copy_from_slice(&0xc001u32.to_le_bytes());
        bytes[0x2c..0x30].copy_from_slice(&[0xf4, 0x1a, 0x00, 0x11]);
        bytes[0x3c..0x3e].copy_from_slice(&[11, 1]);
        let config = ConfigSpace::new(bytes).unwrap();
        assert!(config.command().contains(Command::BUS_MASTER.with(Command::MEMORY_SPACE)));
        assert!(!config.command().contains(Command::IO_SPACE));
        assert_eq!(config.command().without(Command::BUS_MASTER).bits(), 0x402);
        assert_eq!(config.class_code(), ClassCode::from_u24(0x01_08_02));
        assert_eq!(config.class_code().to_string(), "010802");
        assert_eq!((config.header_type(), config.is_multi_function()), (0, true));
        assert_eq!(config.subsystem(), Some((0x1af4, 0x1100)));
        let memory = Bar::Memory { address: 0x1_fe00_0000, is_64_bit: true, prefetchable: true };
        assert_eq!(config.bar(0), Some(memory));
        assert_eq!(config.bar(2), Some(Bar::Io { port: 0xc000 }));
        assert_eq!((config.bar(3), config.bar(6)), (None, None));
        assert_eq!((config.interrupt_line(), config.interrupt_pin()), (11, 1));
        assert_eq!(config.read_u32(61), None);
        assert_eq!(config.read_u8(u16::MAX), None);
    }

    #[test]
    fn refuses_less_than_a_header() {
        assert_eq!(ConfigSpace::new(vec![0; 63]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(ConfigSpace::new(vec![0; 5000]).unwrap().as_bytes().len(), 4096);
    }

    #[test]
    fn a_bridge_has_two_bars_and_no_subsystem() {
        let mut bytes = vec![0u8; 64];
        bytes[0x0e] = 1;
        bytes[0x18..0x1c].copy_from_slice(&[0, 1, 1, 0]);
        let config = ConfigSpace::new(bytes).unwrap();
        assert!(config.is_bridge());
        assert_eq!((config.bar_register(2), config.subsystem()), (None, None));
    }
}
