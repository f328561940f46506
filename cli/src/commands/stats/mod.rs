//! `dirql stats [BDF…]`: all that running programs count of their devices.

mod rows;

use std::time::{Duration, Instant};

use dirql::host::Host;
use dirql::telemetry::{Report, Source, openmetrics};
use dirql::{Address, Error, ErrorKind, Result};
use nix::unistd::Uid;
use serde_json::{Value, json};

use crate::args::Stats;
use crate::output::{Outcome, Output};
use crate::signals::Stop;

/// Asks once, or again and again.
pub fn stats(host: &Host, args: &Stats, output: &mut Output) -> Outcome {
    let mut wanted = Vec::new();
    for device in &args.devices {
        let address = address(host, device)?;
        if !wanted.contains(&address) {
            wanted.push(address);
        }
    }
    match args.watch {
        Some(interval) => watch(&wanted, interval, args.seconds, output),
        None => once(&wanted, args.openmetrics, output),
    }
}

/// The address that is meant. A device that is asked for by its address need not be this machine's: a model has one, too.
fn address(host: &Host, device: &str) -> Result<Address> {
    match device.parse() {
        Ok(address) if Source::find(address)?.is_some() => Ok(address),
        _ => host.resolve(device).map(|function| function.address),
    }
}

fn once(wanted: &[Address], as_openmetrics: bool, output: &mut Output) -> Outcome {
    let found = reports(wanted)?;
    missing(wanted, &found)?;
    if as_openmetrics {
        return output.text(&openmetrics(&found));
    }
    if output.is_json() {
        return output.document(&json!({ "devices": found }));
    }
    if found.is_empty() {
        output.note("no program drives a device that you may ask for; see dirql run");
    }
    output.text(&rows::text(&found, None))
}

fn watch(wanted: &[Address], interval: Duration, seconds: Option<Duration>, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let started = Instant::now();
    let end = seconds.map(|seconds| started + seconds);
    let first = reports(wanted)?;
    missing(wanted, &first)?;
    let (mut before, mut last, mut looked) = (first.clone(), first.clone(), started);
    let mut latest = started;
    let ended = || stop.is_wanted() || end.is_some_and(|end| Instant::now() >= end);
    while !ended() {
        let next = looked + interval;
        stop.sleep_until(end.map_or(next, |end| end.min(next)));
        let now = reports(wanted)?;
        let elapsed = looked.elapsed();
        looked = Instant::now();
        for gone in before.iter().filter(|before| !now.iter().any(|now| is_same(before, now))) {
            output.note(format_args!("{}: {} (process {}) has ended", gone.address, gone.program, gone.pid));
        }
        // What was told last is what there is.
        if now.is_empty() && !wanted.is_empty() {
            break;
        }
        if !output.is_json() {
            output.live(&rows::text(&now, Some((&before, elapsed))))?;
        }
        (before, last, latest) = (now.clone(), now, looked);
    }
    output.keep();
    if output.is_json() { output.document(&document(&first, &last, latest - started)) } else { Ok(()) }
}

/// What the programs tell of these devices, or of all.
fn reports(wanted: &[Address]) -> Result<Vec<Report>> {
    let sources = match wanted {
        [] => Source::all()?,
        wanted => {
            wanted.iter().filter_map(|&address| Source::find(address).transpose()).collect::<Result<_>>()?
        }
    };
    let mut reports = Vec::new();
    for source in sources {
        match source.counters() {
            Ok(report) => reports.push(report),
            // It has ended just now.
            Err(error) if error.kind() == ErrorKind::NotFound => log::info!("{error}"),
            // One that does not answer is no reason to hear nothing of others.
            Err(error) if wanted.is_empty() => log::error!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(reports)
}

/// # Errors
/// `NotFound` for the first of the devices that no program drives.
fn missing(wanted: &[Address], found: &[Report]) -> Result<()> {
    let missing = wanted.iter().find(|&&address| !found.iter().any(|report| report.address == address));
    missing.map_or(Ok(()), |&address| Err(nobody(address)))
}

fn nobody(address: Address) -> Error {
    let user = Uid::effective();
    let (why, otherwise) = match user.is_root() {
        true => ("no program of anybody's publishes its counters".into(), String::new()),
        false => (
            format!("no program of user {user}'s publishes its counters"),
            format!("; or where another user's does: sudo dirql stats {address}"),
        ),
    };
    Error::new(ErrorKind::NotFound, "look-up of the program that drives the device")
        .on(address)
        .why(why)
        .fix(format!("dirql run {address}, and ask meanwhile{otherwise}"))
}

/// Whether both are of the same run of a program.
fn is_same(before: &Report, now: &Report) -> bool {
    (before.address, before.pid) == (now.address, now.pid) && before.uptime_seconds <= now.uptime_seconds
}

/// What was told last, with rates since the first look.
fn document(first: &[Report], last: &[Report], elapsed: Duration) -> Value {
    let devices: Vec<Value> = last
        .iter()
        .map(|report| {
            let rates = rows::counters(report)
                .into_iter()
                .map(|(name, count)| (name.clone(), json!(rows::rate(report, &name, count, first, elapsed))));
            let mut value = json!(report);
            value["rates"] = Value::Object(rates.collect());
            value
        })
        .collect();
    json!({ "seconds": elapsed.as_secs_f64(), "devices": devices })
}

#[cfg(test)]
mod tests;
