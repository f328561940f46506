//! `dirql net BDF tap NAME`: the kernel's network through a device that the kernel does not drive.
//!
//! A [`lane`] carries frames between a pair of the device's rings and a queue of the TAP interface, both ways and in
//! batches. Where neither has any it sleeps at the rings; the [`bell`] wakes it for the TAP queue. Here lanes are run, each
//! by its thread, in rounds: between two rounds somebody looks at the link, and the kernel is told.

mod bell;
mod lane;

use std::thread;
use std::time::Instant;

use dirql::class::net::{Filter, Link, Mac, Net, Statistics};
use dirql::interrupt::{VectorStatistics, Wait};
use dirql::{Address, Error, ErrorKind, Result};
use dirql_tap::{Options, Tap, TapQueue};
use serde_json::{Value, json};

use self::bell::Bell;
use self::lane::{Counts, Lane};
use super::Start;
use crate::args;
use crate::confine;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::Stop;

/// Bridges until the user ends it.
pub fn tap(start: &Start<'_>, args: &args::Tap, output: &mut Output) -> Outcome {
    start.host.resolve(start.device)?;
    let net = &start.settings.net;
    // Before the device: whoever may not have it should not wait.
    let tap = Tap::open(&args.name, Options { queues: net.queues, offloads: net.offloads })?;
    let mut running = start.start()?;
    let bridged = bridge(&mut running, &tap, args, start, output);
    let report = running.finish(bridged)?;
    if output.is_json() {
        return output.document(&report.document());
    }
    output.note(report.text());
    Ok(())
}

/// Sets the interface up, and bridges with a device that runs.
fn bridge(
    running: &mut Running,
    tap: &Tap,
    args: &args::Tap,
    start: &Start<'_>,
    output: &Output,
) -> Outcome<Report> {
    let address = running.address;
    let net = running.net()?;
    set_up(net, tap, args)?;
    confine::done();
    let begun = Instant::now();
    let mut bridge = Bridge { net, queues: tap.queues(), wait: start.settings.net.wait, stop: start.stop };
    let mut changes = 0;
    let counts = bridge.run(&mut |link, mac| {
        tap.set_carrier(link.up)?;
        match changes {
            0 => output.note(format_args!("bridging {address} to {}, MAC {mac}, link {link}", tap.name())),
            _ => output.note(format_args!("link {link}")),
        }
        changes += 1;
        Ok(())
    })?;
    let statistics = bridge.net.statistics()?;
    Ok(Report {
        address,
        name: tap.name().to_owned(),
        counts,
        changes: changes - 1,
        seconds: begun.elapsed().as_secs_f64(),
        statistics,
        vectors: running.vectors(),
    })
}

/// Makes the interface the device's image: its address, its MTU.
fn set_up(net: &mut dyn Net, tap: &Tap, args: &args::Tap) -> Result<()> {
    match tap.set_mac(net.mac()) {
        // It keeps the address that it has, and the device must let that in.
        Err(error) if error.kind() == ErrorKind::Permission => {
            log::info!("{error}");
            net.set_filter(&Filter::promiscuous())?;
        }
        other => other?,
    }
    match tap.set_mtu(net.mtu()) {
        // One that sends shorter frames does no harm.
        Err(error) if error.kind() == ErrorKind::Permission && tap.mtu()? < net.mtu() => {
            log::info!("{error}")
        }
        other => other?,
    }
    if let Some(address) = args.address {
        tap.set_address(address.address, address.prefix)?;
    }
    if args.up || args.address.is_some() { tap.set_up() } else { Ok(()) }
}

/// Who hears of the link, and of the device's address.
type Told<'a> = &'a mut dyn FnMut(Link, Mac) -> Result<()>;

/// A device and the queues of an interface.
struct Bridge<'a> {
    net: &'a mut dyn Net,
    queues: &'a [TapQueue],
    wait: Wait,
    stop: &'a Stop,
}

impl Bridge<'_> {
    /// Carries frames until the user ends it. `told` hears of the link at first, and when it changes.
    ///
    /// # Errors
    /// Where the device or the interface fails, or `told` does.
    fn run(&mut self, told: Told<'_>) -> Result<Counts> {
        let wakers = self.net.queues().iter().map(|queue| queue.waker()).collect();
        let bell = Bell::new(self.queues, wakers, self.wait, self.stop)?;
        thread::scope(|scope| {
            let ringing = scope.spawn(|| bell.ring());
            let outcome = self.rounds(&bell, told);
            let closed = bell.close();
            let rung = ringing.join().unwrap_or_else(|_| Err(panicked()));
            outcome.and_then(|counts| rung.and(closed).map(|()| counts))
        })
    }

    fn rounds(&mut self, bell: &Bell<'_>, told: Told<'_>) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut known: Option<(bool, u64)> = None;
        while !self.stop.is_wanted() && !bell.is_closed() {
            let link = self.net.link()?;
            let state = (link.up, link.changes);
            if known.replace(state) != Some(state) {
                told(link, self.net.mac())?;
            }
            counts = counts.and(self.round(bell)?);
        }
        Ok(counts)
    }

    /// Lets every lane carry frames until somebody shall look at the link. The first is this thread's.
    fn round(&mut self, bell: &Bell<'_>) -> Result<Counts> {
        bell.begin_round();
        let (poll, stop) = (self.wait == Wait::Poll, self.stop);
        let pairs = self.net.queues().into_iter().zip(self.queues).enumerate();
        let mut lanes = pairs.map(|(index, (queue, tap))| Lane::new(queue, tap, bell, index, poll, stop));
        let Some(own) = lanes.next() else { return Ok(Counts::default()) };
        thread::scope(|scope| {
            let others: Vec<_> = lanes.map(|lane| scope.spawn(|| lane.carry())).collect();
            let mut counts = own.carry();
            for other in others {
                let other = other.join().unwrap_or_else(|_| Err(panicked()));
                counts = counts.and_then(|counts| other.map(|other| counts.and(other)));
            }
            counts
        })
    }
}

fn panicked() -> Error {
    Error::new(ErrorKind::Failure, "bridging").why("a thread has panicked")
}

/// How it went.
#[derive(Debug)]
struct Report {
    address: Address,
    name: String,
    counts: Counts,
    changes: u64,
    seconds: f64,
    statistics: Statistics,
    vectors: Vec<VectorStatistics>,
}

impl Report {
    fn document(&self) -> Value {
        json!({
            "address": self.address,
            "interface": self.name,
            "sent": self.counts.sent,
            "received": self.counts.received,
            "dropped": self.counts.dropped,
            "link_changes": self.changes,
            "seconds": self.seconds,
            "statistics": self.statistics,
            "vectors": self.vectors,
        })
    }

    fn text(&self) -> String {
        let Counts { sent, received, dropped } = self.counts;
        format!("{sent} frames sent, {received} received, {dropped} dropped in {:.3} s", self.seconds)
    }
}

#[cfg(test)]
mod tests;
