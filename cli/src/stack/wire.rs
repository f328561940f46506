//! For tests: a network device with one host at the other end, which answers ARP, DHCP and pings.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use dirql::class::net::{Link, MAX_FRAME, Mac, Net, Statistics};
use dirql::{Error, ErrorKind, Result};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, EthernetRepr, Icmpv4Packet, Icmpv4Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

/// The device and the host.
pub struct Wire {
    pub mac: Mac,
    /// No frame can be queued.
    pub full: bool,
    /// Every access fails.
    pub broken: bool,
    /// The host ignores pings of which the number leaves this rest, by 4.
    pub deaf_to: Option<u16>,
    /// Frames that were sent, in order.
    pub sent: Vec<Vec<u8>>,
    /// At most so many frames are taken at a time, and none while they are in flight; 0 is no limit.
    pub ring: usize,
    in_flight: usize,
    incoming: VecDeque<Vec<u8>>,
    statistics: Statistics,
}

impl Wire {
    pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
    const LEASE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
    const HOST_MAC: EthernetAddress = EthernetAddress([0x52, 0x55, 10, 0, 2, 2]);

    pub fn new() -> Self {
        Self {
            mac: Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            full: false,
            broken: false,
            deaf_to: None,
            sent: Vec::new(),
            ring: 0,
            in_flight: 0,
            incoming: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// Lets a frame come in.
    pub fn inject(&mut self, frame: &[u8]) {
        self.incoming.push_back(frame.to_vec());
    }

    fn broken<T>(&self, value: T) -> Result<T> {
        if self.broken { Err(Error::new(ErrorKind::Device, "use of a broken device")) } else { Ok(value) }
    }

    fn answer(&mut self, frame: &[u8]) -> Option<()> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        match frame.ethertype() {
            EthernetProtocol::Arp => self.answer_arp(frame.payload()),
            EthernetProtocol::Ipv4 => self.answer_ip(frame.payload()),
            _ => None,
        }
    }

    fn answer_arp(&mut self, packet: &[u8]) -> Option<()> {
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr: Self::HOST,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?
        else {
            return None;
        };
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: Self::HOST_MAC,
            source_protocol_addr: Self::HOST,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        self.deliver(EthernetProtocol::Arp, &bytes);
        Some(())
    }

    fn answer_ip(&mut self, packet: &[u8]) -> Option<()> {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        let checksums = ChecksumCapabilities::default();
        let header = Ipv4Repr::parse(&packet, &checksums).ok()?;
        match header.next_header {
            IpProtocol::Icmp if header.dst_addr == Self::HOST => {
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
                self.deliver_ip(header.src_addr, IpProtocol::Icmp, &bytes);
            }
            IpProtocol::Udp => {
                let udp = UdpPacket::new_checked(packet.payload()).ok()?;
                let request = DhcpPacket::new_checked(udp.payload()).ok()?;
                self.answer_dhcp(&DhcpRepr::parse(&request).ok()?);
            }
            _ => {}
        }
        Some(())
    }

    fn answer_dhcp(&mut self, request: &DhcpRepr<'_>) {
        let message_type = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            _ => DhcpMessageType::Ack,
        };
        let reply = DhcpRepr {
            message_type,
            your_ip: Self::LEASE,
            server_ip: Self::HOST,
            router: Some(Self::HOST),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            server_identifier: Some(Self::HOST),
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
            &IpAddress::Ipv4(Self::HOST),
            &IpAddress::Ipv4(Self::LEASE),
            payload.len(),
            |to| to.copy_from_slice(&payload),
            &ChecksumCapabilities::default(),
        );
        self.deliver_ip(Self::LEASE, IpProtocol::Udp, &bytes);
    }

    fn deliver_ip(&mut self, to: Ipv4Addr, next_header: IpProtocol, payload: &[u8]) {
        let header = Ipv4Repr {
            src_addr: Self::HOST,
            dst_addr: to,
            next_header,
            payload_len: payload.len(),
            hop_limit: 64,
        };
        let mut bytes = vec![0; header.buffer_len() + payload.len()];
        header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
        bytes[header.buffer_len()..].copy_from_slice(payload);
        self.deliver(EthernetProtocol::Ipv4, &bytes);
    }

    fn deliver(&mut self, ethertype: EthernetProtocol, payload: &[u8]) {
        let header =
            EthernetRepr { src_addr: Self::HOST_MAC, dst_addr: EthernetAddress(self.mac.0), ethertype };
        let mut bytes = vec![0; header.buffer_len() + payload.len()];
        header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
        bytes[header.buffer_len()..].copy_from_slice(payload);
        self.incoming.push_back(bytes);
    }
}

impl Net for Wire {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn link(&self) -> Result<Link> {
        self.broken(Link { up: true, speed: 1000, full_duplex: true, changes: 1 })
    }

    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<usize>) -> Result<usize> {
        self.broken(())?;
        let mut queued = 0;
        while !self.full && (self.ring == 0 || self.in_flight < self.ring) {
            let mut buffer = [0; MAX_FRAME];
            let Some(len) = fill(&mut buffer) else { break };
            self.statistics.transmit_frames += 1;
            self.sent.push(buffer[..len].to_vec());
            self.in_flight += usize::from(self.ring > 0);
            queued += 1;
            self.answer(&buffer[..len]);
        }
        Ok(queued)
    }

    fn in_flight(&mut self) -> Result<usize> {
        self.broken(self.in_flight)
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&[u8])) -> Result<usize> {
        self.broken(())?;
        let count = at_most.min(self.incoming.len());
        self.incoming.drain(..count).for_each(|frame| take(&frame));
        self.statistics.receive_frames += count as u64;
        Ok(count)
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        self.broken(())?;
        if self.in_flight > 0 {
            self.in_flight -= 1;
            return Ok(true);
        }
        if self.incoming.is_empty() {
            std::thread::sleep(timeout);
        }
        Ok(!self.incoming.is_empty())
    }

    fn set_promiscuous(&mut self, _: bool) -> Result<()> {
        self.broken(())
    }

    fn statistics(&mut self) -> Result<Statistics> {
        self.broken(self.statistics)
    }
}
