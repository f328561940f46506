//! `dirql trace BDF -o FILE`: a timeline for ui.perfetto.dev.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use dirql::host::Host;
use dirql::{Address, Error, ErrorKind};
use serde::{Deserialize, Serialize};

use super::watched::Watched;
use crate::args::Trace;
use crate::output::{End, Outcome, Output, unwritten};
use crate::signals::Stop;

/// Records until the time is up or the user ends it, and writes the file.
pub fn trace(host: &Host, args: &Trace, output: &mut Output) -> Outcome {
    let to_stdout = args.output == Path::new("-");
    if to_stdout && output.is_json() {
        let error = Error::new(ErrorKind::InvalidArgument, "writing of the trace");
        return Err(error.why("stdout cannot hold both the trace and the JSON document").into());
    }
    let stop = Stop::on_signals()?;
    host.resolve(&args.target.device)?;
    let fail = |error: std::io::Error, what: &str| Error::io(&error, what).path(&args.output);
    // Before the trace, which nobody wants to do twice.
    let file = if to_stdout { None } else { Some(&args.output) };
    // What is there already stays until there is something to replace it.
    let create = |path| File::options().write(true).create(true).truncate(false).open(path);
    let file =
        file.map(|path| create(path).map_err(|error| fail(error, "creation of the trace"))).transpose()?;
    let mut watched = Watched::find(host, &args.target.device, &args.start.settings(), &stop)?;
    let traced = watched.trace(args.seconds, &stop).map_err(End::from);
    let traced = watched.finish(traced)?;
    let summary = Summary::of(&traced)?;
    match file {
        Some(mut file) => file
            .set_len(0)
            .and_then(|()| file.write_all(&traced))
            .map_err(|error| fail(error, "writing of the trace"))?,
        None => std::io::stdout().write_all(&traced).map_err(unwritten)?,
    }
    if output.is_json() {
        return output.document(&serde_json::json!({
            "file": args.output,
            "address": summary.device,
            "events": summary.events,
            "threads": summary.threads,
            "dropped": summary.dropped,
        }));
    }
    output.note(summary.text(&args.output));
    Ok(())
}

/// What a trace says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    device: Address,
    events: usize,
    threads: usize,
    dropped: usize,
}

impl Summary {
    fn of(trace: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "otherData")]
            other: Summary,
        }
        let file: File = serde_json::from_slice(trace)
            .map_err(|error| Error::new(ErrorKind::Failure, "reading of the trace").why(error.to_string()))?;
        Ok(file.other)
    }

    fn text(&self, file: &Path) -> String {
        let Self { events, threads, dropped, .. } = self;
        let file = file.display();
        let dropped = if *dropped > 0 { format!(", {dropped} more found no room") } else { String::new() };
        format!("{events} events of {threads} threads written to {file}{dropped}; open it in ui.perfetto.dev")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use dirql::Device;
    use dirql::telemetry::Source;
    use dirql_edu::model::EduModel;
    use serde_json::Value;

    use super::super::watched::nowhere;
    use dirql::driver::Settings;

    use super::*;
    use crate::device::Running;
    use crate::device::tests::edu;

    #[test]
    fn traces_a_device_of_its_own() {
        let mut watched =
            Watched::own(Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap()).unwrap();
        let traced = watched.trace(Duration::from_millis(10), &Stop::never()).unwrap();
        watched.finish(Ok(())).unwrap();
        let summary = Summary::of(&traced).unwrap();
        assert_eq!((summary.device, summary.dropped), (edu().address(), 0));
    }

    #[test]
    fn another_program_traces_itself() {
        let address = nowhere(2);
        let device = Device::from_backend(EduModel::backend_with(|config| config.address = address)).unwrap();
        let mut running = Running::probe(device, &dirql_edu::DRIVER, &Settings::default()).unwrap();
        let observer = running.observer().unwrap();
        let mut watched = Watched::Asked(Source::find(address).unwrap().unwrap());
        let traced = std::thread::scope(|scope| {
            let trace = scope.spawn(|| watched.trace(Duration::from_secs(3600), &Stop::never()));
            let deadline = Instant::now() + Duration::from_secs(20);
            while !observer.is_tracing() {
                assert!(Instant::now() < deadline, "no trace was started");
                std::thread::yield_now();
            }
            running.driver().selftest();
            // The trace ends with the program, which sends what there is.
            running.stop().unwrap();
            trace.join().unwrap().unwrap()
        });
        let document: Value = serde_json::from_slice(&traced).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        for category in ["handler", "section"] {
            assert!(events.iter().any(|event| event["cat"] == category), "{category}: {document:#}");
        }
        let summary = Summary::of(&traced).unwrap();
        assert!(summary.threads >= 2 && summary.text(Path::new("x")).contains("of 2 threads"), "{summary:?}");
    }
}
