//! Frames, and what a device does with them.

use std::borrow::Cow;

/// A frame that was written into a buffer to be sent, and what the device shall do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Its bytes.
    pub len: usize,
    /// The tag to put in: priority, drop eligibility and VLAN, as in 802.1Q.
    pub vlan: Option<u16>,
    /// The checksum to complete.
    pub checksum: Option<Checksum>,
    /// How to cut it into segments. That needs the checksum of each to be completed, so `checksum` is set as well.
    pub segmentation: Option<Segmentation>,
}

impl From<usize> for Outgoing {
    /// A frame of so many bytes that is sent as it is.
    fn from(len: usize) -> Self {
        Self { len, ..Self::default() }
    }
}

/// A checksum that is not complete: the sum of a pseudo-header stands in its place.
///
/// Source: virtio 1.2, 5.1.6.2, `csum_start` and `csum_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// Where in the frame the bytes begin that are summed, to its end.
    pub start: u16,
    /// Where the checksum stands, from `start` on.
    pub offset: u16,
}

/// A frame that is longer than frames may be, for the device to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segmentation {
    /// Whose headers each segment gets.
    pub protocol: SegmentProtocol,
    /// Bytes of the frame that each segment begins with: Ethernet, IP and TCP headers.
    pub header: u16,
    /// Bytes after them in each segment but the last.
    pub size: u16,
}

/// Whose headers a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentProtocol {
    /// TCP over IPv4.
    Tcpv4,
    /// TCP over IPv6.
    Tcpv6,
}

/// A received frame, where the device put it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    parts: &'a [&'a [u8]],
    /// What the device said of it.
    pub incoming: Incoming,
}

impl<'a> Frame<'a> {
    /// A frame in these pieces, one after the other.
    pub fn new(parts: &'a [&'a [u8]], incoming: Incoming) -> Self {
        Self { parts, incoming }
    }

    /// Its pieces: one, where it fitted into one buffer.
    pub fn parts(&self) -> &'a [&'a [u8]] {
        self.parts
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It as a whole: copied only where it is in several pieces.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        match self.parts {
            [whole] => Cow::Borrowed(whole),
            parts => Cow::Owned(parts.concat()),
        }
    }
}

/// What a device said of a frame that came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Incoming {
    /// The tag that it took out.
    pub vlan: Option<u16>,
    /// What it knows of the checksum.
    pub checksum: ReceivedChecksum,
    /// The frame was joined of segments, or never cut.
    pub segmentation: Option<Segmentation>,
}

/// What a device knows of a frame's checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReceivedChecksum {
    /// Nothing.
    #[default]
    Unknown,
    /// It is right.
    Good,
    /// It was never completed: the frame comes from the same machine.
    Partial(Checksum),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_copied_only_where_it_is_in_pieces() {
        let whole = Frame::new(&[b"frame"], Incoming::default());
        assert!(matches!(whole.bytes(), Cow::Borrowed(b"frame")));
        let pieces = Frame::new(&[b"fra", b"", b"me"], Incoming::default());
        assert_eq!((&*pieces.bytes(), pieces.len()), (&b"frame"[..], 5));
        assert!(Frame::new(&[], Incoming::default()).is_empty());
    }
}
