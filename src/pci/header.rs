//! The names of the bits in the header, and where its ROM lies.

use super::register as reg;
use super::{ConfigSpace, bits};

const COMMAND: [(u32, &str); 11] = [
    (0, "I/O space"),
    (1, "memory space"),
    (2, "bus master"),
    (3, "special cycles"),
    (4, "memory write and invalidate"),
    (5, "VGA palette snoop"),
    (6, "parity errors"),
    (7, "stepping"),
    (8, "SERR"),
    (9, "fast back-to-back"),
    (10, "INTx disabled"),
];

const STATUS: [(u32, &str); 12] = [
    (0, "immediately ready"),
    (3, "INTx asserted"),
    (4, "capabilities"),
    (5, "66 MHz"),
    (7, "fast back-to-back"),
    (8, "master data parity error"),
    (11, "signaled target abort"),
    (12, "received target abort"),
    (13, "received master abort"),
    (14, "signaled system error"),
    (15, "detected parity error"),
    (6, "user definable features"),
];

impl ConfigSpace {
    /// The names of the bits of the Command register that are set.
    pub fn command_names(&self) -> Vec<&'static str> {
        bits::names(self.command().bits(), &COMMAND)
    }

    /// The names of the bits of the Status register that are set.
    pub fn status_names(&self) -> Vec<&'static str> {
        bits::names(self.status(), &STATUS)
    }

    /// Where the expansion ROM is to be seen, and whether it is; `None` where no address is set.
    pub fn rom(&self) -> Option<(u64, bool)> {
        let register = match self.header_type() {
            0 => reg::EXPANSION_ROM,
            1 => reg::BRIDGE_EXPANSION_ROM,
            _ => return None,
        };
        let value = self.read_u32(register)?;
        (value & !0x7ff != 0).then_some((u64::from(value & !0x7ff), value & 1 != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_names() {
        let mut bytes = vec![0_u8; 64];
        bytes[4..8].copy_from_slice(&[0x06, 0x04, 0x18, 0x20]);
        bytes[0x30..0x34].copy_from_slice(&0xfeb8_0001_u32.to_le_bytes());
        let config = ConfigSpace::new(bytes).unwrap();
        assert_eq!(config.command_names(), ["memory space", "bus master", "INTx disabled"]);
        assert_eq!(config.status_names(), ["INTx asserted", "capabilities", "received master abort"]);
        assert_eq!(config.rom(), Some((0xfeb8_0000, true)));
    }
}
