//! What is asked of the chip for a frame that goes out: checked against the frame, and put into the chip's words.
//!
//! The chip adds up what it is told and believes the rest, so a wrong offset would write into the wrong bytes of the
//! copy that it sends. Where it cuts segments it writes lengths itself, and wants them left out of what is there:
//! 8254x Software Developer's Manual, 3.5.

use dirql::class::net::{Checksum, HEADER, MIN_FRAME, Offloads, Outgoing, SegmentProtocol, Segmentation};
use dirql::{Error, ErrorKind, Result};

use crate::descriptor::{Context, Segments};

/// Bytes of a VLAN tag within the frame, and where it begins.
const TAG: usize = 4;
const TAG_AT: usize = 12;
const TAG_TYPE: [u8; 2] = [0x81, 0x00];
/// Where TCP's checksum stands in its header, and the shortest of those.
const TCP_CHECKSUM: u16 = 16;
const TCP_HEADER: usize = 20;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const PROTOCOL_TCP: u32 = 6;

/// What may be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What the chip was set up for.
    pub offloads: Offloads,
    /// The longest frame on the wire, without a tag.
    pub frame: usize,
}

/// A frame that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Its bytes, padded unless the chip completes its checksum.
    pub len: usize,
    /// Checksums and segments.
    pub context: Option<Context>,
}

impl Limits {
    /// The frame that was written into `room`, padded and prepared.
    ///
    /// # Errors
    /// `InvalidArgument` where it has no bytes, is too long, or wants what the chip was not set up for or cannot do.
    #[inline]
    pub fn check(&self, room: &mut [u8], frame: &Outgoing) -> Result<Request> {
        let len = frame.len;
        let plain = frame.checksum.is_none() && frame.vlan.is_none() && frame.segmentation.is_none();
        if plain && (MIN_FRAME..=self.frame.min(room.len())).contains(&len) {
            return Ok(Request { len, context: None });
        }
        self.check_all(room, frame)
    }

    fn check_all(&self, room: &mut [u8], frame: &Outgoing) -> Result<Request> {
        let Outgoing { len, vlan, checksum, segmentation } = *frame;
        if len == 0 || len > room.len() {
            return refuse(format!("a frame of {len} bytes is not between 1 and {}", room.len()));
        }
        let Offloads { checksum: checksums, segmentation: segments, vlan: vlans } = self.offloads;
        if vlan.is_some() && !vlans || checksum.is_some() && !checksums || segmentation.is_some() && !segments
        {
            return refuse(format!("it asks for more than {:?}", self.offloads));
        }
        let context = match (checksum, segmentation) {
            (None, None) => None,
            (Some(checksum), None) => Some(complete(checksum, len)?),
            (Some(checksum), Some(how)) => Some(self.cut(&mut room[..len], checksum, how)?),
            (None, Some(_)) => return refuse("segments without checksums to complete".into()),
        };
        if segmentation.is_none() {
            let tag = if room[..len].get(TAG_AT..TAG_AT + 2) == Some(&TAG_TYPE) { TAG } else { 0 };
            if len > self.frame + tag {
                return refuse(format!("a frame of {len} bytes is longer than {}", self.frame + tag));
            }
        }
        // The chip pads too, and some emulated chips take what is padded for payload that the checksum is of.
        let padded = if context.is_some() { len } else { len.max(MIN_FRAME) };
        room[len..padded].fill(0);
        Ok(Request { len: padded, context })
    }

    /// Cuts the frame into segments, and prepares its headers for that.
    fn cut(&self, frame: &mut [u8], checksum: Checksum, how: Segmentation) -> Result<Context> {
        let context = complete(checksum, frame.len())?;
        let is_ipv4 = how.protocol == SegmentProtocol::Tcpv4;
        let (header, start) = (usize::from(how.header), usize::from(checksum.start));
        let tag = if frame.get(TAG_AT..TAG_AT + 2) == Some(&TAG_TYPE) { TAG } else { 0 };
        let ip = HEADER + tag;
        if !context.is_tcp || header < start + TCP_HEADER || header >= frame.len() || how.size == 0 {
            return refuse(format!(
                "{how:?} with {checksum:?} does not cut a TCP frame of {} bytes",
                frame.len()
            ));
        }
        let (Ok(header_len), true) =
            (u8::try_from(header), header + usize::from(how.size) <= self.frame + tag)
        else {
            return refuse(format!(
                "segments of {how:?} are longer than {} bytes, or their headers than 255",
                self.frame
            ));
        };
        let shortest = ip + if is_ipv4 { IPV4_HEADER } else { IPV6_HEADER };
        if start < shortest || frame[ip] >> 4 != if is_ipv4 { 4 } else { 6 } {
            return refuse(format!("there is no {:?} header at {ip}, before {start}", how.protocol));
        }
        let addresses = if is_ipv4 {
            frame[ip + 2..ip + 4].fill(0);
            frame[ip + 10..ip + 12].fill(0);
            &frame[ip + 12..ip + 20]
        } else {
            frame[ip + 4..ip + 6].fill(0);
            &frame[ip + 8..ip + 40]
        };
        let sum = addresses
            .chunks_exact(2)
            .fold(PROTOCOL_TCP, |sum, word| sum + u32::from(u16::from_be_bytes([word[0], word[1]])));
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        let at = usize::from(context.at);
        frame[at..at + 2].copy_from_slice(&(sum as u16).to_be_bytes());
        let segments = Segments {
            ip: ip as u8,
            is_ipv4,
            header: header_len,
            size: how.size,
            payload: (frame.len() - header) as u32,
        };
        Ok(Context { segments: Some(segments), ..context })
    }
}

/// Completes the checksum of a frame of `len` bytes.
fn complete(checksum: Checksum, len: usize) -> Result<Context> {
    let at = usize::from(checksum.start) + usize::from(checksum.offset);
    let is_inside = usize::from(checksum.start) >= HEADER && at + 2 <= len;
    match (u8::try_from(checksum.start), u8::try_from(at)) {
        (Ok(start), Ok(at)) if is_inside => {
            Ok(Context { start, at, is_tcp: checksum.offset == TCP_CHECKSUM, segments: None })
        }
        _ => refuse(format!("{checksum:?} is not within the first 256 bytes of a frame of {len}")),
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::new(ErrorKind::InvalidArgument, "transmission of a frame").why(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_padded_unless_the_chip_completes_its_checksum() {
        let offloads = Offloads { checksum: true, ..Offloads::default() };
        let limits = Limits { offloads, frame: 1514 };
        let mut room = [0xff; 1518];
        let plain = Outgoing::from(54);
        assert_eq!(limits.check(&mut room, &plain).unwrap(), Request { len: 60, context: None });
        assert_eq!(room[53..61], [0xff, 0, 0, 0, 0, 0, 0, 0xff]);
        let checksum = Some(Checksum { start: 34, offset: 16 });
        let request = limits.check(&mut room, &Outgoing { checksum, ..plain }).unwrap();
        let context = Context { start: 34, at: 50, is_tcp: true, segments: None };
        assert_eq!(request, Request { len: 54, context: Some(context) });
    }
}
