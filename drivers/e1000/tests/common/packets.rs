//! Packets of TCP and UDP, by a library that knows nothing of this driver.

use dirql::class::net::{Checksum, SegmentProtocol, Segmentation};
use dirql_e1000::model::Chip;
use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader, VlanId};

/// What is in a packet.
#[derive(Debug, Clone)]
pub struct Packet {
    pub is_ipv4: bool,
    pub is_tcp: bool,
    /// The VLAN that stands in the frame itself.
    pub vlan: Option<u16>,
    pub port: u16,
    pub sequence: u32,
    pub identification: u16,
    /// The last one of its flow: FIN and PSH.
    pub is_last: bool,
    pub payload: Vec<u8>,
}

impl Packet {
    /// A packet of each kind, with so many bytes.
    pub fn all(len: usize) -> Vec<Self> {
        let kinds = [(true, true), (true, false), (false, true), (false, false)];
        let payload: Vec<u8> = (0..len).map(|at| (at * 7 + at / 256) as u8).collect();
        kinds
            .into_iter()
            .flat_map(|(is_ipv4, is_tcp)| [None, Some(0x123)].map(|vlan| (is_ipv4, is_tcp, vlan)))
            .map(|(is_ipv4, is_tcp, vlan)| Self {
                is_ipv4,
                is_tcp,
                vlan,
                port: 4000,
                sequence: 0xffff_f000,
                identification: 0xfffe,
                is_last: true,
                payload: payload.clone(),
            })
            .collect()
    }

    /// The frame, whole.
    pub fn frame(&self) -> Vec<u8> {
        let carried = self.payload.len() + if self.is_tcp { 20 } else { 8 };
        let number = if self.is_tcp { IpNumber::TCP } else { IpNumber::UDP };
        let ip = if self.is_ipv4 {
            let mut ip = Ipv4Header::new(carried as u16, 64, number, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
            ip.identification = self.identification;
            IpHeaders::Ipv4(ip, Default::default())
        } else {
            let ip = Ipv6Header {
                payload_length: carried as u16,
                next_header: number,
                hop_limit: 64,
                source: [0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                destination: [0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99],
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(ip, Default::default())
        };
        let mut frame = Vec::new();
        let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], Chip::MAC.0);
        let ip = match self.vlan {
            None => ethernet.ip(ip),
            Some(vlan) => ethernet.single_vlan(VlanId::try_new(vlan).unwrap()).ip(ip),
        };
        if self.is_tcp {
            let mut tcp = TcpHeader::new(self.port, 80, self.sequence, 1024);
            (tcp.ack, tcp.acknowledgment_number) = (true, 77);
            (tcp.fin, tcp.psh) = (self.is_last, self.is_last);
            ip.tcp_header(tcp).write(&mut frame, &self.payload).unwrap();
        } else {
            ip.udp(self.port, 53).write(&mut frame, &self.payload).unwrap();
        }
        frame
    }

    /// Where what IP carries begins.
    pub fn start(&self) -> usize {
        14 + if self.vlan.is_some() { 4 } else { 0 } + if self.is_ipv4 { 20 } else { 40 }
    }

    /// The frame with the sum of its pseudo-header in its checksum's place.
    pub fn incomplete(&self) -> (Vec<u8>, Checksum) {
        let mut frame = self.frame();
        let start = self.start();
        let offset = if self.is_tcp { 16 } else { 6 };
        let addresses = if self.is_ipv4 { start - 8..start } else { start - 32..start };
        let mut sum = if self.is_tcp { 6 } else { 17 } + (frame.len() - start) as u32;
        for word in frame[addresses].chunks(2) {
            sum += u32::from(word[0]) << 8 | u32::from(word[1]);
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        frame[start + offset..start + offset + 2].copy_from_slice(&(sum as u16).to_be_bytes());
        (frame, Checksum { start: start as u16, offset: offset as u16 })
    }

    /// How to cut it into segments of `size`; it is TCP.
    pub fn segmentation(&self, size: u16) -> Segmentation {
        let protocol = if self.is_ipv4 { SegmentProtocol::Tcpv4 } else { SegmentProtocol::Tcpv6 };
        Segmentation { protocol, header: self.start() as u16 + 20, size }
    }

    /// The segments that it is to be cut into.
    pub fn segments(&self, size: u16) -> Vec<Vec<u8>> {
        let count = self.payload.len().div_ceil(size.into());
        let parts = self.payload.chunks(size.into()).enumerate();
        parts
            .map(|(index, part)| {
                let segment = Self {
                    sequence: self.sequence.wrapping_add((index * usize::from(size)) as u32),
                    identification: self.identification.wrapping_add(index as u16),
                    is_last: self.is_last && index + 1 == count,
                    payload: part.to_vec(),
                    ..self.clone()
                };
                segment.frame()
            })
            .collect()
    }
}
