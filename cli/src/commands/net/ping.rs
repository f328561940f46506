//! `dirql net BDF ping ADDRESS`: ARP and ICMP, each answer taken in on an interrupt.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dirql::host::Host;
use dirql::interrupt::Percentiles;
use dirql::{Address, Error, ErrorKind, Result};
use serde_json::json;

use super::{start, wait_for_link};
use crate::args::{self, Cidr, is_host};
use crate::output::{End, Outcome, Output};
use crate::signals::Stop;
use crate::stack::{Configuration, Stack};
use crate::vectors;

/// Gets an address, pings, and says how it went.
pub fn ping(host: &Host, device: &str, args: &args::Ping, stop: &Stop, output: &mut Output) -> Outcome {
    let target = args.address;
    if !is_host(target) {
        return Err(impossible(format!("{target} is not the address of one interface")).into());
    }
    let mut running = start(host, device)?;
    let address = running.address;
    let started = Instant::now();
    let net = running.net()?;
    let link = wait_for_link(net, stop)?;
    if !link.up && !stop.is_wanted() {
        return Err(Error::new(ErrorKind::Device, "ping").on(address).why("the link is down").into());
    }
    let mut stack = Stack::new(address, net)?;
    let configuration = configure(&mut stack, args, stop, output)?;
    check_route(configuration, target)?;
    let mut pinger = Pinger { stack, target, output, sent: 0, open: BTreeMap::new(), times: Vec::new() };
    pinger.run(args, stop)?;
    let (sent, mut times) = (pinger.sent, pinger.times);
    times.sort_unstable();
    let rtt = Percentiles { p50: vectors::percentile(&times, 0.5), p99: vectors::percentile(&times, 0.99) };
    let vectors = running.vectors();
    running.stop()?;
    let received = times.len();
    if output.is_json() {
        output.document(&json!({
            "address": address,
            "target": target,
            "source": configuration.source.to_string(),
            "sent": sent,
            "received": received,
            "rtt_us": rtt,
            "vectors": vectors,
        }))?;
    } else {
        output.line(format_args!("\n{sent} requests sent, {received} replies received"))?;
        if received > 0 {
            let time = |us: u64| vectors::time(us * 1000);
            output.line(format_args!("round trip: p50 {}, p99 {}", time(rtt.p50), time(rtt.p99)))?;
        }
        output.line("")?;
        output.text(&vectors::table(&vectors, &[], started.elapsed()).render(None))?;
    }
    verdict(address, target, sent, received).map_err(End::from)
}

/// The address that the user gave, else one by DHCP.
fn configure(
    stack: &mut Stack<'_>,
    args: &args::Ping,
    stop: &Stop,
    output: &mut Output,
) -> Outcome<Configuration> {
    let configuration = match args.source {
        Some(source) => {
            let configuration = Configuration { source, gateway: args.gateway };
            stack.configure(configuration);
            configuration
        }
        None => {
            let mut leased = stack.lease(stop)?;
            if args.gateway.is_some() {
                leased.gateway = args.gateway;
                stack.configure(leased);
            }
            if !output.is_json() {
                let gateway =
                    leased.gateway.map_or_else(String::new, |gateway| format!(", gateway {gateway}"));
                output.line(format_args!("lease: {}{gateway}", leased.source))?;
                output.flush()?;
            }
            leased
        }
    };
    Ok(configuration)
}

/// A target that no request could reach is told before one is sent.
fn check_route(configuration: Configuration, target: Ipv4Addr) -> Result<()> {
    let Configuration { source, gateway } = configuration;
    let outside = |address| !source.contains(address);
    match gateway {
        Some(gateway) if !is_host(gateway) || outside(gateway) => {
            Err(impossible(format!("the gateway {gateway} is not an interface in the network of {source}")))
        }
        None if outside(target) => Err(impossible(format!(
            "{target} is outside of the network of {source}, and there is no gateway"
        ))
        .fix("name one: --gateway ADDRESS")),
        _ => Ok(()),
    }
}

fn impossible(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "ping").why(why)
}

fn verdict(address: Address, target: Ipv4Addr, sent: u64, received: usize) -> Result<()> {
    let why = match received as u64 {
        all if all == sent && sent > 0 => return Ok(()),
        0 if sent == 0 => "it was interrupted before the first request".into(),
        0 => format!("{target} answered none of {sent} requests"),
        some => format!("{target} answered {some} of {sent} requests"),
    };
    Err(Error::new(ErrorKind::Device, "ping").on(address).why(why))
}

impl Cidr {
    /// Whether an address is in the same network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let host_bits = 32 - u32::from(self.prefix);
        let network = |address: Ipv4Addr| u32::from(address).checked_shr(host_bits).unwrap_or(0);
        network(self.address) == network(address)
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

struct Pinger<'a, 'n> {
    stack: Stack<'n>,
    target: Ipv4Addr,
    output: &'a mut Output,
    sent: u64,
    /// When each request went out that has no reply yet.
    open: BTreeMap<u16, Instant>,
    /// Round trips, in microseconds.
    times: Vec<u64>,
}

impl Pinger<'_, '_> {
    /// Sends the requests, one each interval, and waits for the replies, each as long as it may take.
    fn run(&mut self, args: &args::Ping, stop: &Stop) -> Outcome {
        let interval = Duration::from_millis(args.interval.into());
        let mut next = Instant::now();
        loop {
            let more = self.sent < u64::from(args.count) && !stop.is_wanted();
            // A reply that is not in the queue yet is late only after a full turn.
            if more && Instant::now() >= next && self.stack.request(self.target, self.sent as u16) {
                self.open.insert(self.sent as u16, Instant::now());
                self.sent += 1;
                next += interval;
            }
            self.stack.poll()?;
            self.take_replies()?;
            let late = |asked: &Instant| asked.elapsed() >= args.timeout;
            for (sequence, _) in self.open.extract_if(.., |_, asked| late(asked)) {
                if !self.output.is_json() {
                    self.output.line(format_args!("no reply from {}: seq={sequence}", self.target))?;
                }
            }
            if !more && (self.open.is_empty() || stop.is_wanted()) {
                return Ok(());
            }
            let oldest = self.open.values().next().map(|&asked| asked + args.timeout);
            let due =
                if more { oldest.map_or(next, |oldest| oldest.min(next)) } else { oldest.unwrap_or(next) };
            self.stack.wait(due)?;
        }
    }

    fn take_replies(&mut self) -> Outcome {
        while let Some(reply) = self.stack.reply(self.target) {
            // What was answered twice or too late is not open.
            let Some(asked) = self.open.remove(&reply.sequence) else { continue };
            let time = asked.elapsed();
            self.times.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            if !self.output.is_json() {
                let (target, sequence, len) = (self.target, reply.sequence, reply.len);
                let shown = vectors::time(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
                self.output.line(format_args!("{len} bytes from {target}: seq={sequence} time={shown}"))?;
                self.output.flush()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::peer::Peer;
    use crate::stack::wire::Wire;

    fn args(count: u16) -> args::Ping {
        args::Ping {
            address: Peer::ADDRESS,
            source: Some("10.0.2.15/24".parse().unwrap()),
            gateway: None,
            count,
            interval: 1,
            timeout: Duration::from_millis(200),
        }
    }

    fn ping(wire: &mut Wire, args: &args::Ping) -> (u64, usize) {
        let address: Address = "00:03.0".parse().unwrap();
        let mut output = Output::new(true);
        let mut stack = Stack::new(address, wire).unwrap();
        let stop = Stop::never();
        configure(&mut stack, args, &stop, &mut output).unwrap();
        let (open, times) = (BTreeMap::new(), Vec::new());
        let mut pinger = Pinger { stack, target: args.address, output: &mut output, sent: 0, open, times };
        pinger.run(args, &stop).unwrap();
        (pinger.sent, pinger.times.len())
    }

    #[test]
    fn every_request_has_its_reply() {
        assert_eq!(ping(&mut Wire::new(), &args(20)), (20, 20));
        assert_eq!(ping(&mut Wire::new(), &args::Ping { source: None, ..args(3) }), (3, 3));
    }

    #[test]
    fn what_is_not_answered_is_counted() {
        let mut wire = Wire::new();
        wire.peer.deaf_to = Some(2);
        assert_eq!(ping(&mut wire, &args(8)), (8, 6));
    }

    #[test]
    fn all_or_exit_code_7() {
        let address: Address = "00:03.0".parse().unwrap();
        assert!(verdict(address, Peer::ADDRESS, 4, 4).is_ok());
        for (sent, received, why) in [(4, 3, "3 of 4"), (4, 0, "none of 4"), (0, 0, "interrupted")] {
            let error = verdict(address, Peer::ADDRESS, sent, received).unwrap_err();
            assert!(error.to_string().contains(why) && error.kind().exit_code() == 7, "{error}");
        }
    }

    #[test]
    fn a_target_needs_a_route() {
        let at = |source: &str, gateway: Option<&str>| Configuration {
            source: source.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        };
        let far = Ipv4Addr::new(192, 0, 2, 1);
        assert!(check_route(at("10.0.2.15/24", None), Peer::ADDRESS).is_ok());
        assert!(check_route(at("10.0.2.15/24", None), far).is_err());
        assert!(check_route(at("10.0.2.15/24", Some("10.0.2.2")), far).is_ok());
        assert!(check_route(at("10.0.2.15/24", Some("192.0.2.2")), far).is_err());
        assert!(check_route(at("10.0.2.15/0", None), far).is_ok());
        assert!(check_route(at("10.0.2.15/32", None), Peer::ADDRESS).is_err());
    }
}
