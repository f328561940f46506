//! For tests: the host at the other end of a cable, which answers ARP, DHCP and pings.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

/// The host.
#[derive(Debug, Default)]
pub struct Peer {
    /// It ignores requests of which the number leaves this rest, by 4.
    pub deaf_to: Option<u16>,
}

impl Peer {
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    /// What it leases, in a network of 24 bits.
    pub const LEASE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
    const MAC: EthernetAddress = EthernetAddress([0x52, 0x55, 10, 0, 2, 2]);

    /// The answer to a frame, where there is one.
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        match frame.ethertype() {
            EthernetProtocol::Arp => self.answer_arp(frame.payload()),
            EthernetProtocol::Ipv4 => self.answer_ip(frame.src_addr(), frame.payload()),
            _ => None,
        }
    }

    fn answer_arp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr: Self::ADDRESS,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?
        else {
            return None;
        };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: Self::MAC,
            source_protocol_addr: Self::ADDRESS,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        Some(framed(source_hardware_addr, EthernetProtocol::Arp, &bytes))
    }

    fn answer_ip(&self, from: EthernetAddress, packet: &[u8]) -> Option<Vec<u8>> {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        let checksums = ChecksumCapabilities::default();
        let header = Ipv4Repr::parse(&packet, &checksums).ok()?;
        match header.next_header {
            IpProtocol::Icmp if header.dst_addr == Self::ADDRESS => {
                let icmp = Icmpv4Packet::new_checked(packet.payload()).ok()?;
                let Icmpv4Repr::EchoRequest { ident, seq_no, data } =
                    Icmpv4Repr::parse(&icmp, &checksums).ok()?
                else {
                    return None;
                };
                if self.deaf_to == Some(seq_no % 4) {
                    return None;
                }
                let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
                let mut bytes = vec![0; reply.buffer_len()];
                reply.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &checksums);
                Some(framed_ip(from, header.src_addr, IpProtocol::Icmp, &bytes))
            }
            IpProtocol::Udp => {
                let udp = UdpPacket::new_checked(packet.payload()).ok()?;
                let request = DhcpPacket::new_checked(udp.payload()).ok()?;
                Some(answer_dhcp(from, &DhcpRepr::parse(&request).ok()?))
            }
            _ => None,
        }
    }
}

fn answer_dhcp(to: EthernetAddress, request: &DhcpRepr<'_>) -> Vec<u8> {
    let message_type = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        _ => DhcpMessageType::Ack,
    };
    let reply = DhcpRepr {
        message_type,
        your_ip: Peer::LEASE,
        server_ip: Peer::ADDRESS,
        router: Some(Peer::ADDRESS),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server_identifier: Some(Peer::ADDRESS),
        lease_duration: Some(86_400),
        requested_ip: None,
        client_identifier: None,
        parameter_request_list: None,
        max_size: None,
        dns_servers: None,
        ..request.clone()
    };
    let mut payload = vec![0; reply.buffer_len()];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut payload)).unwrap();
    let udp = UdpRepr { src_port: 67, dst_port: 68 };
    let mut bytes = vec![0; udp.header_len() + payload.len()];
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut bytes),
        &IpAddress::Ipv4(Peer::ADDRESS),
        &IpAddress::Ipv4(Peer::LEASE),
        payload.len(),
        |to| to.copy_from_slice(&payload),
        &ChecksumCapabilities::default(),
    );
    framed_ip(to, Peer::LEASE, IpProtocol::Udp, &bytes)
}

fn framed_ip(station: EthernetAddress, to: Ipv4Addr, next_header: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4Repr {
        src_addr: Peer::ADDRESS,
        dst_addr: to,
        next_header,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; header.buffer_len() + payload.len()];
    header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    bytes[header.buffer_len()..].copy_from_slice(payload);
    framed(station, EthernetProtocol::Ipv4, &bytes)
}

fn framed(dst_addr: EthernetAddress, ethertype: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let header = EthernetRepr { src_addr: Peer::MAC, dst_addr, ethertype };
    let mut bytes = vec![0; header.buffer_len() + payload.len()];
    header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
    bytes[header.buffer_len()..].copy_from_slice(payload);
    bytes
}
