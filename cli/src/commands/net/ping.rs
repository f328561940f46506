//! `dirql net BDF ping ADDRESS`: ARP and ICMP, each answer taken in on an interrupt.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dirql::interrupt::{Percentiles, VectorStatistics};
use dirql::{Address, Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{Start, wait_for_link};
use crate::args::{self, Cidr, is_host};
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::Stop;
use crate::stack::{Configuration, Stack};
use crate::vectors;

/// Gets an address, pings, and says how it went.
pub fn ping(start: &Start<'_>, args: &args::Ping, output: &mut Output) -> Outcome {
    let target = args.address;
    if !is_host(target) {
        return Err(impossible(format!("{target} is not the address of one interface")).into());
    }
    start.check_one_queue("ping")?;
    let mut running = start.start()?;
    let exchanged = exchange(&mut running, args, start.stop, output);
    let report = running.finish(exchanged)?;
    let printed =
        if output.is_json() { output.document(&report.document()) } else { output.text(&report.text()) };
    // A reader that has gone does not make a failure a success.
    report.verdict()?;
    printed
}

/// Pings with a device that runs.
fn exchange(running: &mut Running, args: &args::Ping, stop: &Stop, output: &mut Output) -> Outcome<Report> {
    let (address, target, started) = (running.address, args.address, Instant::now());
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
    let (vectors, elapsed) = (running.vectors(), started.elapsed());
    Ok(Report { address, target, source: configuration.source, sent, times, vectors, elapsed })
}

/// How it went.
#[derive(Debug)]
struct Report {
    address: Address,
    target: Ipv4Addr,
    source: Cidr,
    sent: u64,
    /// Round trips in microseconds, sorted.
    times: Vec<u64>,
    vectors: Vec<VectorStatistics>,
    elapsed: Duration,
}

impl Report {
    fn round_trip(&self) -> Percentiles {
        let at = |quantile| vectors::percentile(&self.times, quantile);
        Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }

    fn document(&self) -> Value {
        json!({
            "address": self.address,
            "target": self.target,
            "source": self.source.to_string(),
            "sent": self.sent,
            "received": self.times.len(),
            "rtt_us": self.round_trip(),
            "vectors": self.vectors,
        })
    }

    fn text(&self) -> String {
        let round_trip = if self.times.is_empty() {
            String::new()
        } else {
            let Percentiles { p50, p99, .. } = self.round_trip();
            format!("round trip: p50 {}, p99 {}\n", vectors::time(p50 * 1000), vectors::time(p99 * 1000))
        };
        let table = vectors::table(&self.vectors, &[], self.elapsed).render(None);
        format!("\n{} requests sent, {} replies received\n{round_trip}\n{table}", self.sent, self.times.len())
    }

    /// All must have been answered.
    fn verdict(&self) -> Result<()> {
        let (sent, target) = (self.sent, self.target);
        let why = match self.times.len() as u64 {
            all if all == sent && sent > 0 => return Ok(()),
            0 if sent == 0 => "it was interrupted before the first request".into(),
            0 => format!("{target} answered none of {sent} requests"),
            some => format!("{target} answered {some} of {sent} requests"),
        };
        Err(Error::new(ErrorKind::Device, "ping").on(self.address).why(why))
    }
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
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use dirql_e1000::model::Chip;

    use dirql::driver::Settings;

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
        let report = |sent, received| Report {
            address: "00:03.0".parse().unwrap(),
            target: Peer::ADDRESS,
            source: "10.0.2.15/24".parse().unwrap(),
            sent,
            times: vec![7; received],
            vectors: Vec::new(),
            elapsed: Duration::ZERO,
        };
        assert!(report(4, 4).verdict().is_ok());
        for (sent, received, why) in [(4, 3, "3 of 4"), (4, 0, "none of 4"), (0, 0, "interrupted")] {
            let error = report(sent, received).verdict().unwrap_err();
            assert!(error.to_string().contains(why) && error.kind().exit_code() == 7, "{error}");
        }
    }

    /// The whole way: driver, rings, interrupts, stack.
    #[test]
    fn pings_with_an_e1000() {
        let (device, wire) = Chip::new().plug_in().unwrap();
        let mut running = Running::probe(device, &dirql_e1000::DRIVER, &Settings::default()).unwrap();
        let done = AtomicBool::new(false);
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                let peer = Peer::default();
                while !done.load(Ordering::Relaxed) {
                    for frame in wire.sent() {
                        peer.answer(&frame).map(|answer| wire.inject(&answer));
                    }
                    thread::sleep(Duration::from_micros(50));
                }
            });
            let args = args::Ping { source: None, timeout: Duration::from_secs(3), ..args(20) };
            let report = exchange(&mut running, &args, &Stop::never(), &mut Output::new(true));
            done.store(true, Ordering::Relaxed);
            report
        });
        let report = report.unwrap();
        running.stop().unwrap();
        assert!(report.verdict().is_ok(), "{report:?}");
        let document = report.document();
        assert_eq!((&document["sent"], &document["received"]), (&json!(20), &json!(20)));
        assert_eq!((&document["source"], &document["target"]), (&json!("10.0.2.15/24"), &json!("10.0.2.2")));
        assert!(document["rtt_us"]["p50"].is_u64() && document["rtt_us"]["p99"].is_u64(), "{document}");
        let vector = &document["vectors"][0];
        assert_eq!((&vector["index"], &vector["mode"]), (&json!(0), &json!("intx")));
        // A reply that is there before anybody sleeps raises none.
        assert!(vector["count"].as_u64().unwrap() > 0 && vector["handler_ns"]["p50"].as_u64().unwrap() > 0);
        assert!(vector["synchronize"]["calls"].as_u64().unwrap() > 0);
        assert!(report.text().contains("20 replies received"), "{}", report.text());
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
