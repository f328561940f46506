//! `dirql net BDF …`: a network device put to use.

mod bench;
mod capture;
mod ping;
mod send;
mod tap;

use std::time::{Duration, Instant};

use dirql::class::net::{HEADER, Interest, Link, Net};
use dirql::driver::Settings;
use dirql::host::Host;
use dirql::{Error, ErrorKind, Result};

use crate::args::{self, NetAction};
use crate::confine::Needs;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::{SLICE, Stop};

/// How long a link that is down is waited for.
const LINK: Duration = Duration::from_secs(5);

/// Does what is asked for with the device.
pub fn net(host: &Host, args: &args::Net, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let mut settings = args.start.settings();
    if let NetAction::Tap(tap) = &args.action {
        settings.net.offloads = tap.offloads();
    }
    let start =
        Start { host, device: &args.target.device, settings, needs: needs(&args.action), stop: &stop };
    match &args.action {
        NetAction::Ping(ping) => ping::ping(&start, ping, output),
        NetAction::Send(send) => send::send(&start, send, output),
        NetAction::Pcap(pcap) => capture::capture(&start, pcap, output),
        NetAction::Tap(tap) => tap::tap(&start, tap, output),
        NetAction::Bench(bench) => bench::bench(&start, args.start.wait.unwrap_or_default(), bench, output),
    }
}

/// What is still needed with an open device.
fn needs(action: &NetAction) -> Needs {
    match action {
        NetAction::Pcap(pcap) => Needs::output(Some(&pcap.file)),
        NetAction::Tap(_) => Needs { network: true, ..Needs::default() },
        _ => Needs::default(),
    }
}

/// A device that is not started yet.
struct Start<'a> {
    host: &'a Host,
    device: &'a str,
    settings: Settings,
    needs: Needs,
    stop: &'a Stop,
}

impl Start<'_> {
    /// Starts it, and makes sure that it is a network device.
    fn start(&self) -> Result<Running> {
        let mut running = Running::start(self.host, self.device, &self.settings, &self.needs, self.stop)?;
        running.net()?;
        Ok(running)
    }

    /// The longest frame that it will send, without a tag.
    fn max_frame(&self) -> usize {
        HEADER + self.settings.net.mtu as usize
    }

    /// Nothing, where it shall have one pair of rings.
    ///
    /// # Errors
    /// `InvalidArgument`, because frames come in by any of them.
    fn check_one_queue(&self, operation: &str) -> Result<()> {
        if self.settings.net.queues == 1 {
            return Ok(());
        }
        let error = Error::new(ErrorKind::InvalidArgument, operation);
        Err(error.why("it uses one pair of rings").fix("leave --queues out"))
    }
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
