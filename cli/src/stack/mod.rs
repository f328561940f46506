//! IPv4 over a network device: an address, ARP, and ICMP. All waiting is for the device's interrupts.

#[cfg(test)]
pub mod peer;
#[cfg(test)]
pub mod wire;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant as Clock};

use dirql::class::net::{Interest, Mac, Net};
use dirql::{Address, Error, ErrorKind, Result};
use dirql_phy::Phy;
use smoltcp::iface::{Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{dhcpv4, icmp};
use smoltcp::time::{Duration as Span, Instant};
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr, Ipv4Cidr,
};

use crate::args::{Cidr, is_host};
use crate::signals::{SLICE, Stop};

/// How long a DHCP server may take. QEMU's e1000 receives nothing in its first second.
const LEASE: Duration = Duration::from_secs(15);
/// After this long without an answer a DHCP message is sent again.
const DHCP_RETRY: Span = Span::from_secs(1);
/// Frames that are taken in before anything else has its turn.
const INGRESS: usize = 64;
/// Packets that a socket keeps in either direction.
const QUEUE: usize = 64;
/// Bytes in an echo request, as ping sends them.
const PAYLOAD: usize = 56;

/// An address in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration {
    /// The interface's own address.
    pub source: Cidr,
    /// The router to everywhere else.
    pub gateway: Option<Ipv4Addr>,
}

/// A reply to an echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The number of the request.
    pub sequence: u16,
    /// Bytes that came back.
    pub len: usize,
}

/// A TCP/IP stack on a network device.
pub struct Stack<'n> {
    address: Address,
    phy: Phy<'n>,
    interface: Interface,
    sockets: SocketSet<'static>,
    icmp: SocketHandle,
    ident: u16,
    started: Clock,
}

impl<'n> Stack<'n> {
    /// A stack on the device, which sits at `address`.
    ///
    /// # Errors
    /// `Device` where the device's own Ethernet address is none.
    pub fn new(address: Address, net: &'n mut dyn Net) -> Result<Self> {
        let mac = net.mac();
        let hardware = EthernetAddress(mac.0);
        if !hardware.is_unicast() || mac == Mac::default() {
            return Err(Error::new(ErrorKind::Device, "use as a network interface")
                .on(address)
                .why(format!("its own Ethernet address reads as {mac}")));
        }
        let mut phy = Phy::new(net);
        let mut config = Config::new(HardwareAddress::Ethernet(hardware));
        // Runs shall differ in their DHCP transactions; nothing here is secret.
        config.random_seed =
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
        let ident = std::process::id() as u16;
        let interface = Interface::new(config, &mut phy, Instant::ZERO);
        let buffer =
            || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; QUEUE], vec![0; QUEUE * 128]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        // A fresh socket is not bound yet, and any number identifies it.
        let _ = socket.bind(icmp::Endpoint::Ident(ident));
        let mut sockets = SocketSet::new(Vec::new());
        let icmp = sockets.add(socket);
        Ok(Self { address, phy, interface, sockets, icmp, ident, started: Clock::now() })
    }

    /// The device underneath.
    pub fn net(&mut self) -> &mut dyn Net {
        self.phy.net()
    }

    /// Gives the interface its address.
    pub fn configure(&mut self, configuration: Configuration) {
        let Configuration { source, gateway } = configuration;
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // One fits.
            let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(source.address, source.prefix)));
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(gateway) = gateway {
            // So does one route.
            let _ = routes.add_default_ipv4_route(gateway);
        }
    }

    /// Gets an address from a DHCP server, and keeps it.
    ///
    /// # Errors
    /// `Device` where none answers in time, or `stop` is wanted.
    pub fn lease(&mut self, stop: &Stop) -> Result<Configuration> {
        let mut socket = dhcpv4::Socket::new();
        let mut retries = dhcpv4::RetryConfig::default();
        (retries.discover_timeout, retries.initial_request_timeout) = (DHCP_RETRY, DHCP_RETRY);
        socket.set_retry_config(retries);
        let handle = self.sockets.add(socket);
        let deadline = Clock::now() + LEASE;
        let found = loop {
            self.poll()?;
            if let Some(dhcpv4::Event::Configured(config)) =
                self.sockets.get_mut::<dhcpv4::Socket>(handle).poll()
            {
                let address = config.address.address();
                break Configuration {
                    source: Cidr { address, prefix: config.address.prefix_len() },
                    gateway: config.router.filter(|&router| is_host(router)),
                };
            }
            let failed = || Error::new(ErrorKind::Device, "getting an address by DHCP").on(self.address);
            if stop.is_wanted() {
                return Err(failed().why("it was interrupted"));
            }
            if Clock::now() >= deadline {
                let failed = failed();
                let statistics = self.net().statistics()?;
                return Err(failed
                    .why(format!(
                        "no server gave a lease within {} s; {} frames were sent, {} received",
                        LEASE.as_secs(),
                        statistics.transmit_frames,
                        statistics.receive_frames
                    ))
                    .fix("give the address yourself: --source ADDRESS/LENGTH"));
            }
            self.wait(deadline)?;
        };
        // A lease outlasts a few pings; without its socket it is neither renewed nor lost.
        self.sockets.remove(handle);
        self.configure(found);
        Ok(found)
    }

    /// Queues an echo request; false where the queue is full. Numbers go around after 65535.
    pub fn request(&mut self, target: Ipv4Addr, sequence: u16) -> bool {
        let socket = self.sockets.get_mut::<icmp::Socket>(self.icmp);
        let request = Icmpv4Repr::EchoRequest { ident: self.ident, seq_no: sequence, data: &[0x5a; PAYLOAD] };
        let Ok(payload) = socket.send(request.buffer_len(), IpAddress::Ipv4(target)) else { return false };
        request.emit(&mut Icmpv4Packet::new_unchecked(payload), &ChecksumCapabilities::default());
        true
    }

    /// The next echo reply from `target` that has come.
    pub fn reply(&mut self, target: Ipv4Addr) -> Option<Reply> {
        let socket = self.sockets.get_mut::<icmp::Socket>(self.icmp);
        while let Ok((payload, from)) = socket.recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(payload) else { continue };
            let Ok(parsed) = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()) else { continue };
            match parsed {
                Icmpv4Repr::EchoReply { ident, seq_no, .. }
                    if ident == self.ident && from == IpAddress::Ipv4(target) =>
                {
                    return Some(Reply { sequence: seq_no, len: payload.len() });
                }
                other => log::debug!("from {from}: {other:?}"),
            }
        }
        None
    }

    /// Takes in what has come, and sends what is due.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn poll(&mut self) -> Result<()> {
        let now = self.now();
        self.interface.poll_maintenance(now);
        for _ in 0..INGRESS {
            let result = self.interface.poll_ingress_single(now, &mut self.phy, &mut self.sockets);
            if matches!(result, PollIngressSingleResult::None) {
                break;
            }
        }
        self.interface.poll_egress(now, &mut self.phy, &mut self.sockets);
        self.phy.check()
    }

    /// Waits until the device has something, a timer of the stack is due, or it is `deadline`; never long.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn wait(&mut self, deadline: Clock) -> Result<()> {
        let now = self.now();
        let due = self.interface.poll_delay(now, &self.sockets).map_or(SLICE, Duration::from);
        let left = deadline.saturating_duration_since(Clock::now());
        self.phy.net().queue().wait(Interest::Receive, due.min(left).min(SLICE)).map(|_| ())
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::peer::Peer;
    use super::wire::Wire;
    use super::*;

    fn address() -> Address {
        "00:03.0".parse().unwrap()
    }

    #[test]
    fn a_lease_and_an_echo() {
        let mut wire = Wire::new();
        let mut stack = Stack::new(address(), &mut wire).unwrap();
        let lease = stack.lease(&Stop::never()).unwrap();
        assert_eq!(lease.source, "10.0.2.15/24".parse().unwrap());
        assert_eq!(lease.gateway, Some(Peer::ADDRESS));
        assert!(stack.request(Peer::ADDRESS, 7));
        let deadline = Clock::now() + Duration::from_secs(5);
        let reply = loop {
            stack.poll().unwrap();
            if let Some(reply) = stack.reply(Peer::ADDRESS) {
                break reply;
            }
            assert!(Clock::now() < deadline, "no reply");
            stack.wait(deadline).unwrap();
        };
        assert_eq!(reply, Reply { sequence: 7, len: 64 });
    }

    #[test]
    fn a_full_ring_loses_the_frame_and_nothing_else() {
        let mut wire = Wire::new();
        wire.full = true;
        let mut stack = Stack::new(address(), &mut wire).unwrap();
        stack.configure(Configuration { source: "10.0.2.15/24".parse().unwrap(), gateway: None });
        assert!(stack.request(Peer::ADDRESS, 0));
        stack.poll().unwrap();
        assert_eq!(stack.reply(Peer::ADDRESS), None);
    }

    #[test]
    fn a_failing_device_fails_the_poll() {
        let mut wire = Wire::new();
        wire.broken = true;
        let mut stack = Stack::new(address(), &mut wire).unwrap();
        assert_eq!(stack.poll().unwrap_err().kind(), ErrorKind::Device);
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let mut wire = Wire::new();
        wire.mac = Mac([0xff; 6]);
        assert!(Stack::new(address(), &mut wire).is_err());
        wire.mac = Mac::default();
        assert!(Stack::new(address(), &mut wire).is_err());
    }
}
