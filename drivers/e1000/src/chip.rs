//! What tells the chips of the family apart, so that nothing else asks which one it is.

use dirql::{Error, ErrorKind, Result};

use crate::descriptor::Layout;

/// How EERD is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eerd {
    /// Where the word's address begins.
    pub address_shift: u32,
    /// Read Done.
    pub done: u32,
}

/// A chip of the family.
#[derive(Debug, PartialEq, Eq)]
pub struct Chip {
    /// Its maker's name for it.
    pub name: &'static str,
    /// Its device id; the vendor is [`INTEL`].
    pub device: u16,
    /// How its EEPROM is read.
    pub eerd: Eerd,
    /// How it describes what it received.
    pub layout: Layout,
    /// Pairs of rings.
    pub queues: u16,
    /// The longest payload of a frame, in bytes.
    pub longest_mtu: u32,
    /// Has the registers that came with PCI Express: of causes by queue and their vectors, of extended descriptors, and of
    /// receive queues.
    pub is_express: bool,
}

/// Intel's vendor id.
pub const INTEL: u16 = 0x8086;

/// The e1000 of emulators: conventional PCI, and frames of 16128 bytes at most.
pub static I82540EM: Chip = Chip {
    name: "Intel 82540EM",
    device: 0x100e,
    eerd: Eerd { address_shift: 8, done: 1 << 4 },
    layout: Layout::LEGACY,
    queues: 1,
    longest_mtu: 16128 - FRAMING,
    is_express: false,
};

/// The e1000e of emulators: PCI Express.
pub static I82574L: Chip = Chip {
    name: "Intel 82574L",
    device: 0x10d3,
    eerd: Eerd { address_shift: 2, done: 1 << 1 },
    layout: Layout::EXTENDED,
    queues: 2,
    longest_mtu: 9000,
    is_express: true,
};

/// Addresses and type, a VLAN tag, and the check sequence.
const FRAMING: u32 = 14 + 4 + 4;

impl Chip {
    /// The chip with these ids.
    ///
    /// # Errors
    /// `Precondition` where it is none that the driver knows.
    pub fn of((vendor, device): (u16, u16)) -> Result<&'static Self> {
        let known = [&I82540EM, &I82574L];
        known.into_iter().find(|chip| (INTEL, chip.device) == (vendor, device)).ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "start").why(format!(
                "{vendor:04x}:{device:04x} is neither an {} nor an {}",
                known[0].name, known[1].name
            ))
        })
    }
}
