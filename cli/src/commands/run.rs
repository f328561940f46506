//! `dirql run BDF`: the device at work, and what its vectors do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dirql::Result;
use dirql::class::display::{Connector, Display};
use dirql::class::net::{Interest, Link, Net, Statistics};
use dirql::host::Host;
use serde_json::{Value, json};

use super::display::connector_line;
use crate::args::Run;
use crate::confine::Needs;
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
    let mut running =
        Running::start(host, &args.target.device, &args.start.settings(), &Needs::default(), &stop)?;
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
            if !news.is_empty() && !output.is_json() {
                news.iter().try_for_each(|line| output.line(line))?;
                output.flush()?;
            }
        }
        let (now, elapsed) = (running.vectors(), looked.elapsed());
        looked = Instant::now();
        if !output.is_json() {
            let table = vectors::table(&now, &before, elapsed);
            let counters = seen.statistics.as_ref().map(counters).unwrap_or_default();
            // In a file, the heading stands once.
            let rows = match () {
                () if now.is_empty() => String::new(),
                () if first || output.is_terminal() => table.render(None),
                () => table.render_rows(),
            };
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
        "connectors": seen.connectors,
        "vectors": running.vectors(),
    }))
}

/// What was last seen of a network device, or of a display; nothing of others.
#[derive(Debug, Default)]
pub struct Seen {
    link: Option<Link>,
    statistics: Option<Statistics>,
    connectors: Option<Vec<Connector>>,
}

impl Seen {
    /// Lets the device work for a while, at most until `then`. Gives what is new: a link, or a monitor, in a line each.
    pub fn work(&mut self, running: &mut Running, stop: &Stop, then: Instant) -> Result<Vec<String>> {
        let time = then.saturating_duration_since(Instant::now()).min(SLICE);
        if let Some(net) = running.driver().net() {
            return Ok(self
                .network(net, time, then)?
                .map(|link| format!("link {link}"))
                .into_iter()
                .collect());
        }
        if let Some(display) = running.driver().display() {
            return self.display(display, time);
        }
        stop.sleep_until(then);
        Ok(Vec::new())
    }

    fn network(&mut self, net: &mut dyn Net, time: Duration, then: Instant) -> Result<Option<Link>> {
        net.queue().wait(Interest::Receive, time)?;
        // Nobody wants the frames, but their buffers are needed.
        for queue in net.queues() {
            while queue.receive(FRAMES, &mut |_| {})? == FRAMES && Instant::now() < then {}
        }
        self.statistics = Some(net.statistics()?);
        let link = net.link()?;
        let news = self.link.replace(link) != Some(link);
        Ok(news.then_some(link))
    }

    fn display(&mut self, display: &mut dyn Display, time: Duration) -> Result<Vec<String>> {
        if self.connectors.is_some() && !display.wait_for_change(time)? {
            return Ok(Vec::new());
        }
        let now = display.connectors()?;
        let before = self.connectors.take().unwrap_or_default();
        let news = now.iter().filter(|connector| !before.contains(connector)).map(connector_line).collect();
        self.connectors = Some(now);
        Ok(news)
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

    use super::super::display::fake::Fake;
    use super::*;
    use crate::device::tests::edu;

    #[test]
    fn a_monitor_is_told_when_it_is_new() {
        let mut fake = Fake::new(&[(64, 48)]);
        let (mut seen, time) = (Seen::default(), Duration::from_millis(1));
        let first = seen.display(&mut fake, time).unwrap();
        assert!(first.len() == 1 && first[0].starts_with("connector 0: "), "{first:?}");
        assert!(first[0].ends_with("prefers 64x48"), "{first:?}");
        assert!(seen.display(&mut fake, time).unwrap().is_empty());
        fake.outside.plug(0, &[]);
        assert_eq!(seen.display(&mut fake, time).unwrap(), ["connector 0: no monitor"]);
    }

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
