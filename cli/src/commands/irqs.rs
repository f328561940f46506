//! `dirql irqs BDF`: all that is counted of the vectors, wherever the device is driven.

use std::time::{Duration, Instant};

use dirql::ErrorKind;
use dirql::host::Host;
use dirql::interrupt::VectorStatistics;
use dirql::telemetry::Report;
use serde_json::{Value, json};

use super::latency;
use super::watched::Watched;
use crate::args::Irqs;
use crate::output::{Outcome, Output};
use crate::signals::Stop;
use crate::vectors;

/// How often the tables are brought up to date.
const REFRESH: Duration = Duration::from_secs(1);

/// Looks at the device's vectors, or measures their latency.
pub fn irqs(host: &Host, args: &Irqs, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    if let Some(file) = &args.histogram {
        return latency::measure(host, &args.target.device, file, args.count, &stop, output);
    }
    let mut watched = Watched::find(host, &args.target.device, &args.start.settings(), &stop)?;
    let looked = look(&mut watched, args.watch, args.seconds, &stop, output);
    let document = watched.finish(looked)?;
    if output.is_json() { output.document(&document) } else { Ok(()) }
}

/// Looks for a while, again and again with `watch`; all that was seen as a document.
fn look(
    watched: &mut Watched,
    watch: bool,
    seconds: Option<Duration>,
    stop: &Stop,
    output: &mut Output,
) -> Outcome<Value> {
    let started = Instant::now();
    let first = watched.report()?;
    if !output.is_json() {
        let driver = if watched.is_asked() { "driven by" } else { "started by" };
        output.line(format_args!("{}  {driver} {} (process {})", first.address, first.program, first.pid))?;
        output.flush()?;
    }
    let seconds = seconds.or((!watch).then_some(REFRESH));
    let end = seconds.map(|seconds| started + seconds);
    let (mut before, mut looked) = (first.clone(), started);
    let ended = || stop.is_wanted() || end.is_some_and(|end| Instant::now() >= end);
    while !ended() {
        let next = if watch { looked + REFRESH } else { end.unwrap_or(looked + REFRESH) };
        watched.pass(stop, end.map_or(next, |end| end.min(next)))?;
        let now = match watched.report() {
            Ok(now) => now,
            // What it told last is what there is.
            Err(error) if error.kind() == ErrorKind::NotFound && watched.is_asked() => {
                output.note(format_args!("{} (process {}) has ended", before.program, before.pid));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let elapsed = looked.elapsed();
        looked = Instant::now();
        if !output.is_json() && (watch || ended()) {
            output.live(&tables(&now.vectors, &before.vectors, elapsed))?;
        }
        before = now;
    }
    output.keep();
    Ok(document(&first, &before, watched.is_asked(), started.elapsed()))
}

/// Everything, in tables of at most 100 columns as long as the numbers are small.
fn tables(now: &[VectorStatistics], before: &[VectorStatistics], elapsed: Duration) -> String {
    let mut text = vectors::interrupts(now, before, elapsed).render(None);
    text += "\n";
    text += &vectors::sections(now, before, elapsed).render(None);
    if now.iter().any(|vector| vector.deferred.calls > 0) {
        text += "\n";
        text += &vectors::deferred(now, before, elapsed).render(None);
    }
    for overrun in now.iter().filter_map(|vector| vector.synchronize.latest_over_budget.last()) {
        let by =
            overrun.call_site.as_ref().map_or("its handler".into(), |site| format!("the section of {site}"));
        text +=
            &format!("vector {} was held for {} by {by}\n", overrun.vector, vectors::time(overrun.held_ns));
    }
    text
}

fn document(first: &Report, last: &Report, asked: bool, elapsed: Duration) -> Value {
    let rate = |vector: &VectorStatistics| vectors::rate(vector, &first.vectors, elapsed, |of| of.count);
    let vectors: Vec<Value> = last
        .vectors
        .iter()
        .map(|vector| {
            let mut value = json!(vector);
            value["rate"] = json!(rate(vector));
            value
        })
        .collect();
    json!({
        "address": last.address,
        "program": { "name": last.program, "pid": last.pid, "asked": asked },
        "seconds": elapsed.as_secs_f64(),
        "vectors": vectors,
    })
}

#[cfg(test)]
mod tests {
    use dirql::Device;
    use dirql::telemetry::Source;
    use dirql_edu::model::EduModel;

    use super::super::watched::nowhere;
    use dirql::driver::Settings;

    use super::*;
    use crate::device::Running;
    use crate::device::tests::edu;

    fn seen(watched: &mut Watched) -> Value {
        let time = Some(Duration::from_millis(20));
        look(watched, false, time, &Stop::never(), &mut Output::new(true)).unwrap()
    }

    #[test]
    fn shows_a_device_of_its_own() {
        let mut watched =
            Watched::own(Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap()).unwrap();
        let document = seen(&mut watched);
        watched.finish(Ok(())).unwrap();
        assert_eq!(
            (&document["program"]["asked"], &document["vectors"][0]["index"]),
            (&json!(false), &json!(0))
        );
        assert!(document["seconds"].as_f64().unwrap() >= 0.02, "{document}");
    }

    #[test]
    fn asks_the_program_that_drives_the_device() {
        let address = nowhere(1);
        let device = Device::from_backend(EduModel::backend_with(|config| config.address = address)).unwrap();
        let mut running = Running::probe(device, &dirql_edu::DRIVER, &Settings::default()).unwrap();
        let mut watched = Watched::Asked(Source::find(address).unwrap().unwrap());
        running.driver().selftest();
        let document = seen(&mut watched);
        let vector = &document["vectors"][0];
        assert_eq!((&document["program"]["asked"], &document["address"]), (&json!(true), &json!(address)));
        assert!(vector["count"].as_u64() > Some(0) && vector["rate"].is_number(), "{vector}");
        assert!(vector["synchronize"]["timed"].as_u64() > Some(0), "{vector}");
        for key in ["coalesced", "spurious", "storms", "poisonings", "handler_wait_ns", "deferred"] {
            assert!(!vector[key].is_null(), "{key}: {vector}");
        }
        running.stop().unwrap();
        let Watched::Asked(source) = watched else { panic!("it was asked") };
        assert_eq!(source.report().unwrap_err().kind(), ErrorKind::NotFound);
    }
}
