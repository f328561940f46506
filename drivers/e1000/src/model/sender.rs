//! A frame on its way out, and what a context descriptor says of it: which checksums to complete, how to cut it.

use super::packet::sum;

/// Command of a context descriptor: IPv4.
const CONTEXT_IPV4: u8 = 1 << 1;
const OPTION_IXSM: u8 = 1 << 0;
const OPTION_TXSM: u8 = 1 << 1;

/// What a queue knows of the frame that it is about to send.
#[derive(Debug, Default)]
pub struct Sender {
    /// The part of it that was fetched.
    pub partial: Vec<u8>,
    /// Options of its first data descriptor, and whether it is to be cut.
    pub options: Option<(u8, bool)>,
    /// The context that was given last.
    pub context: Context,
}

/// A context descriptor.
#[derive(Debug, Default, Clone, Copy)]
pub struct Context {
    ip_start: usize,
    ip_checksum: usize,
    ip_end: usize,
    start: usize,
    checksum: usize,
    end: usize,
    payload: usize,
    is_ipv4: bool,
    header: usize,
    size: usize,
}

impl Context {
    pub fn read(d: &[u8; 16]) -> Self {
        let word = |at: usize| usize::from(u16::from_le_bytes([d[at], d[at + 1]]));
        Self {
            ip_start: d[0].into(),
            ip_checksum: d[1].into(),
            ip_end: word(2),
            start: d[4].into(),
            checksum: d[5].into(),
            end: word(6),
            payload: word(8) | usize::from(d[10] & 15) << 16,
            is_ipv4: d[11] & CONTEXT_IPV4 != 0,
            header: d[13].into(),
            size: word(14),
        }
    }

    /// Completes the checksums of a frame.
    pub fn complete(&self, frame: &mut [u8], options: u8) {
        let mut put = |from: usize, end: usize, at: usize| {
            let end = if end == 0 { frame.len() } else { end + 1 };
            if let Some(bytes) = frame.get(from..end) {
                let sum = !sum(bytes);
                if let Some(field) = frame.get_mut(at..at + 2) {
                    field.copy_from_slice(&sum.to_be_bytes());
                }
            }
        };
        if options & OPTION_TXSM != 0 {
            put(self.start, self.end, self.checksum);
        }
        if options & OPTION_IXSM != 0 {
            put(self.ip_start, self.ip_end, self.ip_checksum);
        }
    }

    /// Cuts a frame into segments.
    pub fn cut(&self, frame: &[u8], options: u8) -> Vec<Vec<u8>> {
        let (header, payload) = frame.split_at(self.header.min(frame.len()));
        let payload = &payload[..self.payload.min(payload.len())];
        let mut segments: Vec<_> =
            payload.chunks(self.size.max(1)).map(|part| [header, part].concat()).collect();
        let last = segments.len().saturating_sub(1);
        for (index, segment) in segments.iter_mut().enumerate() {
            let len = segment.len() as u16;
            let mut add = |at: usize, value: u32, width: usize| {
                let field = &mut segment[at..at + width];
                let old = field.iter().fold(0, |old, byte| old << 8 | u32::from(*byte));
                field.copy_from_slice(&old.wrapping_add(value).to_be_bytes()[4 - width..]);
            };
            if self.is_ipv4 {
                add(self.ip_start + 2, (len - self.ip_start as u16).into(), 2);
                add(self.ip_start + 4, index as u32, 2);
            } else {
                add(self.ip_start + 4, (len - self.ip_start as u16 - 40).into(), 2);
            }
            add(self.start + 4, (index * self.size) as u32, 4);
            if index != last {
                // FIN and PSH are the last one's.
                segment[self.start + 13] &= !(1 << 0 | 1 << 3);
            }
            let pseudo = [segment[self.checksum], segment[self.checksum + 1]];
            let tcp = len - self.start as u16;
            let pseudo = sum(&[pseudo, tcp.to_be_bytes()].concat());
            segment[self.checksum..self.checksum + 2].copy_from_slice(&pseudo.to_be_bytes());
            self.complete(segment, options);
        }
        segments
    }
}
