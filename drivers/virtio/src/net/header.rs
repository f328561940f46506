//! The header before each frame: what the device shall do with it, or has done.
//!
//! Source: VIRTIO 1.2, 5.1.6, `struct virtio_net_hdr`.

use dirql::class::net::{Checksum, Incoming, Outgoing, ReceivedChecksum, SegmentProtocol, Segmentation};

/// Its bytes, with VERSION_1.
pub const LEN: usize = 12;

/// flags: `csum_start` and `csum_offset` say what is still to be summed.
const NEEDS_CSUM: u8 = 1;
/// flags: the checksum is good.
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
/// gso_type: the connection knows congestion by ECN, which changes nothing here.
const GSO_ECN: u8 = 0x80;

/// The header of a frame that goes out.
pub fn encode(frame: &Outgoing) -> [u8; LEN] {
    let mut header = [0; LEN];
    if let Some(Checksum { start, offset }) = frame.checksum {
        header[0] = NEEDS_CSUM;
        header[6..8].copy_from_slice(&start.to_le_bytes());
        header[8..10].copy_from_slice(&offset.to_le_bytes());
    }
    if let Some(segmentation) = frame.segmentation {
        header[1] = match segmentation.protocol {
            SegmentProtocol::Tcpv4 => GSO_TCPV4,
            SegmentProtocol::Tcpv6 => GSO_TCPV6,
        };
        header[2..4].copy_from_slice(&segmentation.header.to_le_bytes());
        header[4..6].copy_from_slice(&segmentation.size.to_le_bytes());
    }
    header
}

/// How many buffers a frame that came in takes, as its header says.
#[inline]
pub fn buffers(header: &[u8; LEN]) -> u16 {
    u16::from_le_bytes([header[10], header[11]])
}

/// What the header of a frame of `len` bytes says of it; `None` where that cannot be.
pub fn decode(header: &[u8; LEN], len: usize) -> Option<Incoming> {
    let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (flags, gso) = (header[0], header[1] & !GSO_ECN);
    let checksum = if flags & NEEDS_CSUM != 0 {
        let (start, offset) = (word(6), word(8));
        if usize::from(start) + usize::from(offset) + 2 > len {
            return None;
        }
        ReceivedChecksum::Partial(Checksum { start, offset })
    } else if flags & DATA_VALID != 0 {
        ReceivedChecksum::Good
    } else {
        ReceivedChecksum::Unknown
    };
    let protocol = match gso {
        GSO_NONE => None,
        GSO_TCPV4 => Some(SegmentProtocol::Tcpv4),
        GSO_TCPV6 => Some(SegmentProtocol::Tcpv6),
        _ => return None,
    };
    let segmentation = protocol.map(|protocol| Segmentation { protocol, header: word(2), size: word(4) });
    if segmentation.is_some_and(|segmentation| segmentation.size == 0) {
        return None;
    }
    Some(Incoming { vlan: None, checksum, segmentation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_lies_as_the_specification_draws_it_and_comes_back() {
        let segmentation = Segmentation { protocol: SegmentProtocol::Tcpv6, header: 74, size: 1440 };
        let checksum = Checksum { start: 54, offset: 16 };
        let frame =
            Outgoing { checksum: Some(checksum), segmentation: Some(segmentation), ..Outgoing::from(9000) };
        let header = encode(&frame);
        assert_eq!(header, [1, 4, 74, 0, 0xa0, 5, 54, 0, 16, 0, 0, 0]);
        let incoming = decode(&header, 9000).unwrap();
        assert_eq!(incoming.checksum, ReceivedChecksum::Partial(checksum));
        assert_eq!(incoming.segmentation, Some(segmentation));
        assert_eq!(encode(&Outgoing::from(60)), [0; LEN]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(decode(&good, 60).unwrap().checksum, ReceivedChecksum::Good);
        assert_eq!(buffers(&good), 1);
        let beyond = [1, 0, 0, 0, 0, 0, 50, 0, 9, 0, 1, 0];
        assert!(decode(&beyond, 60).is_none() && decode(&beyond, 61).is_some());
        assert!(decode(&[0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0], 60).is_none(), "UDP was not agreed on");
        assert!(decode(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], 60).is_none(), "segments of no bytes");
    }
}
