//! `dirql net BDF …`: a network device put to use.

mod capture;
mod ping;
mod send;

use std::time::{Duration, Instant};

use dirql::Result;
use dirql::class::net::{Interest, Link, Net};
use dirql::driver::Settings;
use dirql::host::Host;

use crate::args::{self, NetAction};
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::{SLICE, Stop};

/// How long a link that is down is waited for.
const LINK: Duration = Duration::from_secs(5);

/// Does what is asked for with the device.
pub fn net(host: &Host, args: &args::Net, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let device = &args.target.device;
    match &args.action {
        NetAction::Ping(ping) => ping::ping(host, device, ping, &stop, output),
        NetAction::Send(send) => send::send(host, device, send, &stop, output),
        NetAction::Pcap(pcap) => capture::capture(host, device, pcap, &stop, output),
    }
}

/// Starts the device, and makes sure that it is a network device.
fn start(host: &Host, device: &str, stop: &Stop) -> Result<Running> {
    let mut running = Running::start(host, device, &Settings::default(), stop)?;
    running.net()?;
    Ok(running)
}

/// Waits for a link; gives the last state, which may still be down.
fn wait_for_link(net: &mut dyn Net, stop: &Stop) -> Result<Link> {
    let deadline = Instant::now() + LINK;
    loop {
        let link = net.link()?;
        if link.up || stop.is_wanted() || Instant::now() >= deadline {
            return Ok(link);
        }
        // Nothing is in flight: only the link ends it early.
        net.queue().wait(Interest::Transmit, SLICE)?;
    }
}
