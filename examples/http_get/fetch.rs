//! The stack: an address, a connection, a request, and what comes back.

use std::error::Error;
use std::time::{Duration, Instant as Clock, SystemTime};

use dirql::class::net::{Interest, Net};
use dirql_phy::Phy;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Cidr};

use crate::url::Url;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that are on their way to us, at most.
const WINDOW: usize = 64 << 10;

/// What the server said.
#[derive(Debug)]
pub struct Response {
    /// Its first line.
    pub status_line: String,
    /// The number in it.
    pub status: u16,
    /// What comes after the headers.
    pub body: Vec<u8>,
}

/// Fetches `url` through the device, with this address or one by DHCP.
///
/// # Errors
/// Where the device fails, or the server does not do its part in time.
pub fn fetch(net: &mut dyn Net, url: &Url, source: Option<Ipv4Cidr>) -> Result<Response, Box<dyn Error>> {
    let mut stack = Stack::new(net);
    match source {
        Some(source) => stack.set_address(source),
        None => stack.lease()?,
    }
    let answer = stack.exchange(url)?;
    Response::of(&answer)
}

impl Response {
    /// An HTTP/1.0 answer: the connection's end is the body's.
    fn of(answer: &[u8]) -> Result<Self, Box<dyn Error>> {
        let end =
            answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("the answer has no headers")?;
        let headers = std::str::from_utf8(&answer[..end])?;
        let status_line = headers.lines().next().unwrap_or_default().to_owned();
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("{status_line:?} has no status"))?;
        let body = answer[end + 4..].to_vec();
        let length = headers.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        match length {
            Some(length) if length != body.len() => {
                Err(format!("{} of {length} bytes came", body.len()).into())
            }
            _ => Ok(Self { status_line, status, body }),
        }
    }
}

/// smoltcp on the device.
struct Stack<'n> {
    phy: Phy<'n>,
    interface: Interface,
    sockets: SocketSet<'static>,
    started: Clock,
}

impl<'n> Stack<'n> {
    fn new(net: &'n mut dyn Net) -> Self {
        let mut config = Config::new(EthernetAddress(net.mac().0).into());
        config.random_seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
        let mut phy = Phy::new(net);
        let interface = Interface::new(config, &mut phy, Instant::ZERO);
        Self { phy, interface, sockets: SocketSet::new(Vec::new()), started: Clock::now() }
    }

    fn set_address(&mut self, address: Ipv4Cidr) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // One fits.
            let _ = addresses.push(IpCidr::Ipv4(address));
        });
    }

    /// Gets an address, and the way to everywhere else.
    fn lease(&mut self) -> Result<(), Box<dyn Error>> {
        let handle = self.sockets.add(dhcpv4::Socket::new());
        let deadline = Clock::now() + PATIENCE;
        loop {
            self.poll()?;
            let event = self.sockets.get_mut::<dhcpv4::Socket>(handle).poll();
            if let Some(dhcpv4::Event::Configured(lease)) = event {
                let (address, router) = (lease.address, lease.router);
                self.set_address(address);
                if let Some(router) = router {
                    self.interface.routes_mut().add_default_ipv4_route(router)?;
                }
                return Ok(());
            }
            self.wait(deadline, "no address by DHCP")?;
        }
    }

    /// Sends the request, and takes all that comes until the server closes the connection.
    fn exchange(&mut self, url: &Url) -> Result<Vec<u8>, Box<dyn Error>> {
        let Url { address, port, path } = url;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}:{port}\r\n\r\n");
        let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
        let handle = self.sockets.add(tcp::Socket::new(buffer(WINDOW), buffer(request.len())));
        let local = 49152 + (std::process::id() % 16384) as u16;
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), (*address, *port), local)?;
        // It has room for all of it, and sends it once the connection stands.
        let mut unsent = Some(request);
        let (mut answer, mut deadline) = (Vec::new(), Clock::now() + PATIENCE);
        loop {
            self.poll()?;
            let before = answer.len();
            if self.turn(handle, &mut unsent, &mut answer)? {
                // Our side of the farewell.
                self.poll()?;
                return Ok(answer);
            }
            if answer.len() > before {
                deadline = Clock::now() + PATIENCE;
            } else {
                self.wait(deadline, "the server says nothing")?;
            }
        }
    }

    /// Does what the connection allows now; true where it is over.
    fn turn(
        &mut self,
        handle: SocketHandle,
        unsent: &mut Option<String>,
        answer: &mut Vec<u8>,
    ) -> Result<bool, Box<dyn Error>> {
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        if socket.may_send()
            && let Some(request) = unsent.take()
        {
            socket.send_slice(request.as_bytes())?;
        }
        while socket.can_recv() {
            socket.recv(|bytes| {
                answer.extend_from_slice(bytes);
                (bytes.len(), ())
            })?;
        }
        match socket.state() {
            tcp::State::CloseWait => {
                socket.close();
                Ok(true)
            }
            tcp::State::Closed => Err("the server refuses the connection, or has broken it off".into()),
            _ => Ok(false),
        }
    }

    fn poll(&mut self) -> dirql::Result<()> {
        let now = self.now();
        self.interface.poll(now, &mut self.phy, &mut self.sockets);
        self.phy.check()
    }

    /// Waits for the device, or until the stack has something to do.
    fn wait(&mut self, deadline: Clock, otherwise: &str) -> Result<(), Box<dyn Error>> {
        let left = deadline.saturating_duration_since(Clock::now());
        if left.is_zero() {
            return Err(format!("{otherwise} for {} s", PATIENCE.as_secs()).into());
        }
        let now = self.now();
        let due = self.interface.poll_delay(now, &self.sockets).map_or(left, Duration::from);
        self.phy.net().queue().wait(Interest::Receive, due.min(left))?;
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
