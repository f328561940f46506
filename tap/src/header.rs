//! The virtio-net header, in which the kernel says what is left to do with a frame, and is told what was done.
//!
//! Source: virtio 1.2, 5.1.6; the kernel's `include/linux/virtio_net.h`.

use dirql::class::net::{Checksum, Incoming, Outgoing, ReceivedChecksum, SegmentProtocol, Segmentation};

/// Its length, without the count of buffers that later versions have.
pub const LEN: usize = 10;

/// A header. Its numbers are in this machine's order.
pub type Header = [u8; LEN];

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
/// A congestion bit stands in the TCP header; it goes with either.
const GSO_ECN: u8 = 0x80;

/// What the device shall do with a frame that came with this header: `None` where that is not to be understood.
pub fn outgoing(header: &Header, frame: &[u8]) -> Option<Outgoing> {
    let [flags, gso, _, _, size @ .., start_low, start_high, offset_low, offset_high] = *header;
    let checksum = (flags & NEEDS_CSUM != 0).then(|| Checksum {
        start: u16::from_ne_bytes([start_low, start_high]),
        offset: u16::from_ne_bytes([offset_low, offset_high]),
    });
    let protocol = match gso & !GSO_ECN {
        GSO_NONE => None,
        GSO_TCPV4 => Some(SegmentProtocol::Tcpv4),
        GSO_TCPV6 => Some(SegmentProtocol::Tcpv6),
        _ => return None,
    };
    let segmentation = match protocol {
        Some(protocol) => {
            // The header's own length is a hint, and may be longer than the headers are.
            let tcp = checksum?.start;
            let words = frame.get(usize::from(tcp) + 12)? >> 4;
            let header = tcp.checked_add(4 * u16::from(words))?;
            Some(Segmentation { protocol, header, size: u16::from_ne_bytes(size) })
        }
        None => None,
    };
    Some(Outgoing { len: frame.len(), vlan: None, checksum, segmentation })
}

/// What the kernel is told of a frame that came in.
pub fn incoming(frame: &Incoming) -> Header {
    let (mut flags, mut gso, mut len, mut size) = (0, GSO_NONE, 0, 0);
    let (mut start, mut offset) = (0, 0);
    match frame.checksum {
        ReceivedChecksum::Unknown => {}
        ReceivedChecksum::Good => flags = DATA_VALID,
        ReceivedChecksum::Partial(checksum) => {
            (flags, start, offset) = (NEEDS_CSUM, checksum.start, checksum.offset);
        }
    }
    if let Some(segmentation) = frame.segmentation {
        gso = match segmentation.protocol {
            SegmentProtocol::Tcpv4 => GSO_TCPV4,
            SegmentProtocol::Tcpv6 => GSO_TCPV6,
        };
        (len, size) = (segmentation.header, segmentation.size);
    }
    let mut header = [flags, gso, 0, 0, 0, 0, 0, 0, 0, 0];
    for (to, value) in header[2..].chunks_exact_mut(2).zip([len, size, start, offset]) {
        to.copy_from_slice(&value.to_ne_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, IPv4 and TCP headers of 54 bytes, with options of so many words.
    fn tcp(options: u8) -> Vec<u8> {
        let mut frame = vec![0; 3000];
        frame[34 + 12] = (5 + options) << 4;
        frame
    }

    fn header(flags: u8, gso: u8, words: [u16; 4]) -> Header {
        let mut header = vec![flags, gso];
        header.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        header.try_into().unwrap()
    }

    #[test]
    fn says_what_is_left_to_do() {
        let checksum = Checksum { start: 34, offset: 16 };
        assert_eq!(outgoing(&header(0, 0, [0; 4]), &[0; 60]), Some(60.into()));
        let partial = header(1, 0, [0, 0, 34, 16]);
        let expected = Outgoing { checksum: Some(checksum), ..3000.into() };
        assert_eq!(outgoing(&partial, &tcp(0)), Some(expected));
        for (gso, protocol) in
            [(1, SegmentProtocol::Tcpv4), (0x81, SegmentProtocol::Tcpv4), (4, SegmentProtocol::Tcpv6)]
        {
            // A hint of 90 is longer than the headers.
            let long = header(1, gso, [90, 1448, 34, 16]);
            let segmentation = Segmentation { protocol, header: 34 + 32, size: 1448 };
            assert_eq!(
                outgoing(&long, &tcp(3)),
                Some(Outgoing { segmentation: Some(segmentation), ..expected })
            );
        }
    }

    #[test]
    fn what_cannot_be_is_not_sent() {
        // UDP, no checksum, headers beyond the frame.
        for bad in [
            header(1, 3, [42, 1400, 34, 6]),
            header(0, 1, [54, 1448, 0, 0]),
            header(1, 1, [54, 1448, 2990, 16]),
            header(1, 1, [54, 1448, 0xffff, 16]),
        ] {
            assert_eq!(outgoing(&bad, &tcp(0)), None, "{bad:?}");
        }
    }

    #[test]
    fn says_what_was_done() {
        let plain = Incoming::default();
        assert_eq!(incoming(&plain), [0; LEN]);
        assert_eq!(
            incoming(&Incoming { checksum: ReceivedChecksum::Good, ..plain }),
            header(2, 0, [0, 0, 0, 0])
        );
        let checksum = ReceivedChecksum::Partial(Checksum { start: 34, offset: 16 });
        let segmentation = Segmentation { protocol: SegmentProtocol::Tcpv6, header: 74, size: 1428 };
        let joined = Incoming { checksum, segmentation: Some(segmentation), ..plain };
        assert_eq!(incoming(&joined), header(1, 4, [74, 1428, 34, 16]));
    }
}
