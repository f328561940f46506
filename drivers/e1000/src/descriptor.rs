//! Legacy descriptors, as they lie in memory: little-endian, 16 bytes.
//!
//! Source: 8254x Software Developer's Manual, 3.2.3 (receive) and 3.3.3 (transmit).

use dirql::Iova;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Receive status: Descriptor Done.
pub const RX_STATUS_DD: u8 = 1 << 0;
/// Receive status: End Of Packet.
pub const RX_STATUS_EOP: u8 = 1 << 1;
/// Receive errors of the frame itself: CE, SE, SEQ, CXE, RXE. The others are of checksums above it.
pub const RX_ERRORS_FRAME: u8 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 7;

/// Transmit command: End Of Packet.
pub const TX_COMMAND_EOP: u8 = 1 << 0;
/// Transmit command: Insert FCS.
pub const TX_COMMAND_IFCS: u8 = 1 << 1;
/// Transmit command: Report Status; without it DD is never written.
pub const TX_COMMAND_RS: u8 = 1 << 3;
/// Transmit status: Descriptor Done.
pub const TX_STATUS_DD: u8 = 1 << 0;

/// A receive descriptor: the driver writes the address, the device the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct RxDescriptor {
    /// Where the frame goes.
    pub address: U64,
    /// Bytes that were written there.
    pub length: U16,
    /// The packet checksum, unused.
    pub checksum: U16,
    /// DD, EOP, ...
    pub status: u8,
    /// What was wrong with the frame.
    pub errors: u8,
    /// The VLAN tag, unused.
    pub special: U16,
}

impl RxDescriptor {
    /// A descriptor that offers the buffer at `address`.
    pub fn offer(address: Iova) -> Self {
        Self { address: address.0.into(), ..Self::default() }
    }

    /// The device is done with it.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.status & RX_STATUS_DD != 0
    }

    /// It holds the last part of a frame.
    #[inline]
    pub fn ends_frame(&self) -> bool {
        self.status & RX_STATUS_EOP != 0
    }

    /// The frame arrived damaged.
    #[inline]
    pub fn is_damaged(&self) -> bool {
        self.errors & RX_ERRORS_FRAME != 0
    }
}

/// A transmit descriptor: the driver writes it, the device its status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct TxDescriptor {
    /// Where the frame is.
    pub address: U64,
    /// Its bytes.
    pub length: U16,
    /// Checksum offset, unused.
    pub checksum_offset: u8,
    /// EOP, IFCS, RS, ...
    pub command: u8,
    /// DD, ...
    pub status: u8,
    /// Checksum start, unused.
    pub checksum_start: u8,
    /// The VLAN tag, unused.
    pub special: U16,
}

impl TxDescriptor {
    /// A descriptor for the whole frame of `length` bytes at `address`, of which the device reports nothing.
    pub fn frame(address: Iova, length: u16) -> Self {
        Self {
            address: address.0.into(),
            length: length.into(),
            command: TX_COMMAND_EOP | TX_COMMAND_IFCS,
            ..Self::default()
        }
    }

    /// The device is done with it.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.status & TX_STATUS_DD != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_lie_as_the_manual_draws_them() {
        let tx = TxDescriptor::frame(Iova(0x1122_3344_5566_7788), 0x05ea);
        assert_eq!(
            tx.as_bytes(),
            [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xea, 0x05, 0, 0x03, 0, 0, 0, 0]
        );
        let rx = RxDescriptor::read_from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x03, 0x80, 0, 0]);
        let rx = rx.expect("16 bytes");
        assert!(rx.is_done() && rx.ends_frame() && rx.is_damaged());
        assert_eq!(rx.length.get(), 64);
    }
}
