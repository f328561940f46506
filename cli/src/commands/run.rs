//! `dirql run BDF`: the device at work, and what its vectors do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dirql::Result;
use dirql::class::net::{Interest, Link, Statistics};
use dirql::host::Host;
use serde_json::{Value, json};

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
    let mut running = Running::start(host, &args.target.device, &args.start.settings(), &stop)?;
    let watched = watch(&mut running, args.seconds, &stop, output);
    let document = running.finish(watched)?;
    if output.is_json() { output.document(&document) } else { Ok(()) }
}

/// Shows the device at work, and gives all that was seen as a document.
fn watch(
    running: &mut Running,
    seconds: Option<Duration>,
    stop: &Stop,
    output: &mut Output,
) -> Outcome<Value> {
    let identity = running.driver().identify()?;
    if !output.is_json() {
        output.line(format_args!("{}  driven by {}", running.address, running.driver_name))?;
        identity.iter().try_for_each(|(name, value)| output.line(format_args!("  {name}: {value}")))?;
        output.flush()?;
    }
    let started = Instant::now();
    let end = seconds.map(|seconds| started + seconds);
    let ended = || stop.is_wanted() || end.is_some_and(|end| Instant::now() >= end);
    let (mut seen, mut before, mut looked, mut first) = (Seen::default(), running.vectors(), started, true);
    while !ended() {
        let next = looked + REFRESH;
        let next = end.map_or(next, |end| end.min(next));
        while !ended() && Instant::now() < next {
            let news = seen.work(running, stop, next)?;
            if let (Some(link), false) = (news, output.is_json()) {
                output.line(format_args!("link {link}"))?;
                output.flush()?;
            }
        }
        let (now, elapsed) = (running.vectors(), looked.elapsed());
        looked = Instant::now();
        if !output.is_json() {
            let table = vectors::table(&now, &before, elapsed);
            let counters = seen.statistics.as_ref().map(counters).unwrap_or_default();
            // In a file, the heading stands once.
            let rows = if first || output.is_terminal() { table.render(None) } else { table.render_rows() };
            output.live(&format!("{rows}{counters}"))?;
        }
        (before, first) = (now, false);
    }
    output.keep();
    Ok(json!({
        "address": running.address,
        "driver": running.driver_name,
        "identity": identity.into_iter().collect::<BTreeMap<_, _>>(),
        "seconds": started.elapsed().as_secs_f64(),
        "link": seen.link,
        "statistics": seen.statistics,
        "vectors": running.vectors(),
    }))
}

/// What was last seen of a network device; nothing of others.
#[derive(Debug, Default)]
pub struct Seen {
    link: Option<Link>,
    statistics: Option<Statistics>,
}

impl Seen {
    /// Lets the device work for a while, at most until `then`. Gives a link that is new or has changed.
    pub fn work(&mut self, running: &mut Running, stop: &Stop, then: Instant) -> Result<Option<Link>> {
        let Some(net) = running.driver().net() else {
            stop.sleep_until(then);
            return Ok(None);
        };
        net.queue().wait(Interest::Receive, then.saturating_duration_since(Instant::now()).min(SLICE))?;
        // Nobody wants the frames, but their buffers are needed.
        for queue in net.queues() {
            while queue.receive(FRAMES, &mut |_| {})? == FRAMES && Instant::now() < then {}
        }
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

#[cfg(test)]
mod tests {
    use dirql::driver::Settings;

    use super::*;
    use crate::device::tests::edu;

    #[test]
    fn ends_by_itself_and_says_what_it_saw() {
        let mut running = Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap();
        let mut output = Output::new(true);
        let time = Some(Duration::from_millis(20));
        let document = watch(&mut running, time, &Stop::never(), &mut output).unwrap();
        running.stop().unwrap();
        assert_eq!((&document["driver"], &document["link"]), (&json!("edu"), &Value::Null));
        assert!(document["seconds"].as_f64().unwrap() >= 0.02, "{document}");
        let vector = &document["vectors"][0];
        for key in ["index", "mode", "count", "calls", "spurious"] {
            assert!(!vector[key].is_null(), "{key}: {vector}");
        }
        for (of, time) in [(vector, "handler_ns"), (&vector["synchronize"], "wait_ns")] {
            assert!(of[time]["p50"].is_u64() && of[time]["p99"].is_u64(), "{vector}");
        }
    }
}
