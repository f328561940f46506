//! What is in a frame, as far as a chip looks: IP, TCP or UDP, their checksums, and the hash of a flow.

/// Where what is, in a frame without a tag or with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    frame: &'a [u8],
    /// Where the IP header begins.
    ip: usize,
    is_ipv4: bool,
    /// Where what IP carries begins, and what it is.
    pub above: usize,
    pub protocol: u8,
    /// Where IP ends; the frame may have been padded.
    end: usize,
    is_fragment: bool,
}

/// IP's number for TCP.
pub const TCP: u8 = 6;
/// IP's number for UDP.
pub const UDP: u8 = 17;

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// The sum of 16-bit words, carries added in.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    fold(sum)
}

/// A sum, carries added in.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

impl<'a> Packet<'a> {
    /// What a frame is, where it is IP.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let tagged = word(frame, 12)? == 0x8100;
        let ip = if tagged { 18 } else { 14 };
        let (kind, header) = (word(frame, ip - 2)?, frame.get(ip..)?);
        let packet = |is_ipv4, above: usize, protocol, len: u16, is_fragment| {
            let end = if is_ipv4 { ip } else { ip + 40 } + usize::from(len);
            (ip + above <= end && end <= frame.len()).then_some(Self {
                frame,
                ip,
                is_ipv4,
                above: ip + above,
                protocol,
                end,
                is_fragment,
            })
        };
        match (kind, header.first()? >> 4) {
            (0x0800, 4) => {
                let is_fragment = word(header, 6)? & 0x3fff != 0;
                packet(true, usize::from(header[0] & 15) * 4, *header.get(9)?, word(header, 2)?, is_fragment)
            }
            (0x86dd, 6) => packet(false, 40, *header.get(6)?, word(header, 4)?, false),
            _ => None,
        }
    }

    fn addresses(&self) -> &'a [u8] {
        let (from, len) = if self.is_ipv4 { (self.ip + 12, 8) } else { (self.ip + 8, 32) };
        &self.frame[from..from + len]
    }

    /// Whether IP's own checksum is right; `None` where it has none.
    pub fn is_header_good(&self) -> Option<bool> {
        self.is_ipv4.then(|| sum(&self.frame[self.ip..self.above]) == 0xffff)
    }

    /// Whether TCP's or UDP's checksum is right; `None` where there is none to look at.
    pub fn is_payload_good(&self) -> Option<bool> {
        if ![TCP, UDP].contains(&self.protocol) || self.is_fragment {
            return None;
        }
        let bytes = &self.frame[self.above..self.end];
        let all = u64::from(sum(self.addresses())) + u64::from(self.protocol) + bytes.len() as u64;
        Some(fold(all + u64::from(sum(bytes))) == 0xffff)
    }

    /// Whether it acknowledges.
    pub fn is_ack(&self) -> bool {
        self.protocol == TCP && self.frame.get(self.above + 13).is_some_and(|flags| flags & 0x10 != 0)
    }

    /// The hash of its flow, and its kind by bit of MRQC, of those that MRQC asks for.
    pub fn hash(&self, key: &[u8], fields: u32) -> Option<u32> {
        let (with_ports, without) = if self.is_ipv4 { (1 << 16, 1 << 17) } else { (1 << 18, 1 << 20) };
        let mut input = self.addresses().to_vec();
        if self.protocol == TCP && !self.is_fragment && fields & with_ports != 0 {
            input.extend_from_slice(self.frame.get(self.above..self.above + 4)?);
        } else if fields & without == 0 {
            return None;
        }
        Some(toeplitz(key, &input))
    }
}

/// The hash that the specification of RSS asks for.
fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let bit = |bytes: &[u8], at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 != 0);
    let window = |at: usize| (at..at + 32).fold(0, |window, at| window << 1 | u32::from(bit(key, at)));
    (0..8 * input.len()).filter(|&at| bit(input, at)).fold(0, |hash, at| hash ^ window(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_hash_as_the_specification_of_rss_verifies_itself() {
        let key = [
            0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
            0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0xb4, 0x30, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
            0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
        ];
        // From 66.9.149.187:2794 to 161.142.100.80:1766.
        let input = [66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6];
        assert_eq!(toeplitz(&key, &input), 0x51cc_c178);
        assert_eq!(toeplitz(&key, &input[..8]), 0x323e_8fc2);
    }

    #[test]
    fn a_header_of_zeros_is_no_packet_and_a_cut_one_neither() {
        assert_eq!(Packet::of(&[0; 60]), None);
        let mut frame = [0; 60];
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        for len in 0..60 {
            assert_eq!(Packet::of(&frame[..len]), None);
        }
    }
}
