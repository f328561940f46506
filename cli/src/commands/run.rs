//! `dirql run BDF`: the device at work, and what its vectors do.

use std::time::{Duration, Instant};

use dirql::Result;
use dirql::class::net::{Link, Statistics};
use dirql::host::Host;
use serde_json::json;

use crate::args::Run;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::{SLICE, Stop};
use crate::vectors;

/// How often the table is brought up to date.
const REFRESH: Duration = Duration::from_secs(1);
/// Frames that are taken from the device at a time.
const FRAMES: usize = 256;

/// Starts the device, shows its vectors until the user or `--seconds` ends it, and stops it.
pub fn run(host: &Host, args: &Run, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let mut running = Running::start(host, &args.target.device)?;
    let identity = running.driver().identify()?;
    if !output.is_json() {
        output.line(format_args!("{}  driven by {}", running.address, running.driver_name))?;
        for (name, value) in &identity {
            output.line(format_args!("  {name}: {value}"))?;
        }
        output.flush()?;
    }
    let started = Instant::now();
    let end = args.seconds.map(|seconds| started + seconds);
    let mut seen = Seen::default();
    let mut before = running.vectors();
    let mut looked = started;
    let mut first = true;
    let ended = |now: Instant| stop.is_wanted() || end.is_some_and(|end| now >= end);
    while !ended(Instant::now()) {
        let next = (looked + REFRESH).min(end.unwrap_or(looked + REFRESH));
        while !ended(Instant::now()) && Instant::now() < next {
            if let Some(link) = seen.work(&mut running, &stop, next)?
                && !output.is_json()
            {
                output.line(format_args!("link: {link}"))?;
                output.flush()?;
            }
        }
        let now = running.vectors();
        if !output.is_json() {
            let table = vectors::table(&now, &before, looked.elapsed());
            let mut text =
                if first || output.is_terminal() { table.render(None) } else { table.render_rows() };
            if let Some(statistics) = seen.statistics {
                text.push_str(&counters(&statistics));
            }
            output.live(&text)?;
        }
        (before, looked, first) = (now, Instant::now(), false);
    }
    output.keep();
    let document = json!({
        "address": running.address,
        "driver": running.driver_name,
        "identity": identity.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "seconds": started.elapsed().as_secs_f64(),
        "link": seen.link,
        "statistics": seen.statistics,
        "vectors": running.vectors(),
    });
    running.stop()?;
    if output.is_json() { output.document(&document) } else { Ok(()) }
}

/// What was last seen of a network device; nothing of others.
#[derive(Debug, Default)]
struct Seen {
    link: Option<Link>,
    statistics: Option<Statistics>,
}

impl Seen {
    /// Lets the device work for a while, at most until `then`. Gives a link that is new or has changed.
    fn work(&mut self, running: &mut Running, stop: &Stop, then: Instant) -> Result<Option<Link>> {
        let Some(net) = running.driver().net() else {
            stop.sleep_until(then);
            return Ok(None);
        };
        net.wait(then.saturating_duration_since(Instant::now()).min(SLICE))?;
        // Nobody wants the frames, but their buffers are needed.
        while net.receive(FRAMES, &mut |_| {})? == FRAMES && Instant::now() < then {}
        self.statistics = Some(net.statistics()?);
        let link = net.link()?;
        let news = self.link.replace(link) != Some(link);
        Ok(news.then_some(link))
    }
}

fn counters(of: &Statistics) -> String {
    format!(
        "received {} frames, {} bytes, {} errors, {} missed; sent {} frames, {} bytes\n",
        of.receive_frames,
        of.receive_bytes,
        of.receive_errors,
        of.receive_missed,
        of.transmit_frames,
        of.transmit_bytes
    )
}
