//! Descriptors, as they lie in memory: little-endian, 16 bytes, the first 8 of them an address.
//!
//! Source: 8254x Software Developer's Manual, 3.2.3 (receive), 3.3.3 (legacy transmit), 3.3.6 (context) and 3.3.7 (data);
//! 82574 Datasheet, 7.1.5 (extended receive).

use dirql::Iova;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Receive status: Descriptor Done.
const DD: u8 = 1 << 0;
/// Receive status: End Of Packet.
const EOP: u8 = 1 << 1;
/// Receive status: Ignore Checksum Indication.
const IXSM: u8 = 1 << 2;
/// Receive status: the frame had a VLAN tag, which was taken out.
const VP: u8 = 1 << 3;
/// Receive status: the TCP or UDP checksum was computed.
const TCPCS: u8 = 1 << 5;

/// Receive errors of the frame itself: CE, SE, SEQ, CXE, RXE.
const ERRORS_FRAME: u8 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 7;
/// Receive errors of checksums: TCPE, IPE.
const ERRORS_CHECKSUM: u8 = 1 << 5 | 1 << 6;

/// A receive descriptor: the driver writes the address, the chip what it has to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct RxDescriptor {
    /// Where the frame goes. In an extended descriptor the chip writes here too.
    pub address: U64,
    /// What the chip says of it, in a [`Layout`].
    pub report: U64,
}

impl RxDescriptor {
    /// A descriptor that offers the buffer at `address`.
    #[inline]
    pub fn offer(address: Iova) -> Self {
        Self { address: address.0.into(), report: U64::ZERO }
    }
}

/// Where a chip's report has what. The bits within status and errors are the same in all layouts, and the VLAN tag is in
/// the highest 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    length: u8,
    status: u8,
    errors: u8,
}

/// What a chip said of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Bytes that were written there.
    pub length: u16,
    status: u8,
    errors: u8,
    tag: u16,
}

impl Layout {
    /// Length, checksum, status, errors.
    pub const LEGACY: Self = Self { length: 0, status: 32, errors: 40 };
    /// Status and errors of 32 bits, length.
    pub const EXTENDED: Self = Self { length: 32, status: 0, errors: 24 };

    /// What the chip says.
    #[inline]
    pub fn read(self, descriptor: &RxDescriptor) -> Report {
        let report = descriptor.report.get();
        Report {
            length: (report >> self.length) as u16,
            status: (report >> self.status) as u8,
            errors: (report >> self.errors) as u8,
            tag: (report >> 48) as u16,
        }
    }

    /// The chip is done with it.
    #[inline]
    pub fn is_done(self, descriptor: &RxDescriptor) -> bool {
        (descriptor.report.get() >> self.status) as u8 & DD != 0
    }

    /// The chip is done with it, and it holds the last part of a frame.
    #[inline]
    pub fn is_last(self, descriptor: &RxDescriptor) -> bool {
        (descriptor.report.get() >> self.status) as u8 & (DD | EOP) == DD | EOP
    }
}

impl Report {
    /// It holds the last part of a frame.
    #[inline]
    pub fn ends_frame(&self) -> bool {
        self.status & EOP != 0
    }

    /// The frame arrived damaged.
    #[inline]
    pub fn is_damaged(&self) -> bool {
        self.errors & ERRORS_FRAME != 0
    }

    /// The VLAN tag that was taken out.
    #[inline]
    pub fn vlan(&self) -> Option<u16> {
        (self.status & VP != 0).then_some(self.tag)
    }

    /// The checksum above IP was computed, and is right, as is IP's own.
    #[inline]
    pub fn is_checksum_good(&self) -> bool {
        self.status & (IXSM | TCPCS) == TCPCS && self.errors & ERRORS_CHECKSUM == 0
    }
}

/// A transmit descriptor of any kind: the driver writes it, the chip its status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct TxDescriptor {
    /// Where the data is; in a context descriptor, where in the frame which checksum is.
    pub address: U64,
    /// Length, command, status, options, tag.
    pub command: U64,
}

/// Command: End Of Packet.
const LAST: u64 = 1 << 24;
/// Command: Insert FCS.
const IFCS: u64 = 1 << 25;
/// Command: TCP Segmentation Enable.
const TSE: u64 = 1 << 26;
/// Command: Report Status; without it DD is never written.
const RS: u64 = 1 << 27;
/// Command: not a legacy descriptor.
const DEXT: u64 = 1 << 29;
/// Command: VLAN Packet Enable: the tag is put in.
const VLE: u64 = 1 << 30;
/// Type of a data descriptor; a context descriptor's is 0.
const DATA: u64 = 1 << 20;
/// Status: Descriptor Done.
const DONE: u64 = 1 << 32;
/// Options of a data descriptor: Insert IP Checksum.
const IXSM_OPTION: u64 = 1 << 40;
/// Options of a data descriptor: Insert TCP/UDP Checksum.
const TXSM_OPTION: u64 = 1 << 41;
/// Command of a context descriptor: TCP, not UDP.
const CONTEXT_TCP: u64 = 1 << 24;
/// Command of a context descriptor: IPv4, not IPv6.
const CONTEXT_IPV4: u64 = 1 << 25;

impl TxDescriptor {
    /// A legacy descriptor for `length` bytes at `address`, of which the chip reports nothing.
    #[inline]
    pub fn legacy(address: Iova, length: u16) -> Self {
        Self { address: address.0.into(), command: (IFCS | u64::from(length)).into() }
    }

    /// A data descriptor: as a legacy one, and the checksums are completed where the context says.
    pub fn data(address: Iova, length: u16, context: &Context) -> Self {
        let mut command = IFCS | DEXT | DATA | TXSM_OPTION | u64::from(length);
        if let Some(segments) = &context.segments {
            command |= TSE | if segments.is_ipv4 { IXSM_OPTION } else { 0 };
        }
        Self { address: address.0.into(), command: command.into() }
    }

    /// A context descriptor.
    pub fn context(context: &Context) -> Self {
        let Context { start, at, is_tcp, segments } = *context;
        let mut fields = u64::from(start) << 32 | u64::from(at) << 40;
        let mut command = DEXT | if is_tcp { CONTEXT_TCP } else { 0 };
        if let Some(Segments { ip, is_ipv4, header, size, payload }) = segments {
            fields |= u64::from(ip);
            command |= TSE | u64::from(payload & 0xf_ffff) | u64::from(header) << 40 | u64::from(size) << 48;
            if is_ipv4 {
                // IPCSO, and IPCSE: the header's last byte.
                fields |= u64::from(ip + 10) << 8 | u64::from(start - 1) << 16;
                command |= CONTEXT_IPV4;
            }
        }
        Self { address: fields.into(), command: command.into() }
    }

    /// The last one of its frame.
    #[inline]
    pub fn last(self) -> Self {
        self.with(LAST)
    }

    /// Has the chip put a VLAN tag in.
    #[inline]
    pub fn tagged(self, tag: u16) -> Self {
        self.with(VLE | u64::from(tag) << 48)
    }

    /// Has the chip report that it is done with this one, and so with all before it.
    #[inline]
    pub fn reported(self) -> Self {
        self.with(RS)
    }

    #[inline]
    fn with(self, bits: u64) -> Self {
        Self { command: (self.command.get() | bits).into(), ..self }
    }

    /// The chip is done with it.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.command.get() & DONE != 0
    }
}

/// Where the checksums are: what a context descriptor tells the chip for the data descriptors that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Where the bytes begin that the checksum is of, to the frame's end: TUCSS.
    pub start: u8,
    /// Where the checksum stands: TUCSO.
    pub at: u8,
    /// It is TCP's.
    pub is_tcp: bool,
    /// How to cut the frame.
    pub segments: Option<Segments>,
}

/// How the chip cuts a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// Where the IP header begins: IPCSS. It lies before the bytes that the checksum is of.
    pub ip: u8,
    /// It has a checksum, and a length that counts itself.
    pub is_ipv4: bool,
    /// Bytes of all headers: HDRLEN.
    pub header: u8,
    /// Bytes after them in a segment: MSS.
    pub size: u16,
    /// Bytes after them in the frame: PAYLEN.
    pub payload: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transmit_descriptors_lie_as_the_manual_draws_them() {
        let tx = TxDescriptor::legacy(Iova(0x1122_3344_5566_7788), 0x05ea).last();
        assert_eq!(
            tx.as_bytes(),
            [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xea, 0x05, 0, 0x03, 0, 0, 0, 0]
        );
        assert_eq!(tx.reported().tagged(0x1234).as_bytes()[8..], [0xea, 0x05, 0, 0x4b, 0, 0, 0x34, 0x12]);
        let mut context = Context { start: 34, at: 50, is_tcp: true, segments: None };
        assert_eq!(
            TxDescriptor::context(&context).as_bytes(),
            [0, 0, 0, 0, 34, 50, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0]
        );
        assert_eq!(TxDescriptor::data(Iova(0), 3, &context).as_bytes()[8..], [3, 0, 0x10, 0x22, 0, 2, 0, 0]);
        context.segments =
            Some(Segments { ip: 14, is_ipv4: true, header: 54, size: 0x05b4, payload: 0xf_1234 });
        assert_eq!(
            TxDescriptor::context(&context).as_bytes(),
            [14, 24, 33, 0, 34, 50, 0, 0, 0x34, 0x12, 0x0f, 0x27, 0, 54, 0xb4, 0x05]
        );
        assert_eq!(TxDescriptor::data(Iova(0), 3, &context).as_bytes()[8..], [3, 0, 0x10, 0x26, 0, 3, 0, 0]);
    }

    #[test]
    fn both_kinds_of_receive_descriptors_say_the_same() {
        let legacy = [0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0xff, 0xff, 0x2b, 0x80, 0x34, 0x12];
        let extended = [0xff, 0, 0, 0, 0, 0, 0, 0, 0x2b, 0, 0, 0x80, 0x40, 0, 0x34, 0x12];
        for (layout, bytes) in [(Layout::LEGACY, legacy), (Layout::EXTENDED, extended)] {
            let rx = RxDescriptor::read_from_bytes(&bytes).expect("16 bytes");
            assert!(layout.is_done(&rx) && layout.is_last(&rx));
            let report = layout.read(&rx);
            assert!(report.ends_frame() && report.is_damaged() && report.is_checksum_good());
            assert_eq!((report.length, report.vlan()), (64, Some(0x1234)));
            assert!(!layout.is_done(&RxDescriptor::offer(Iova(u64::MAX))));
        }
    }
}
