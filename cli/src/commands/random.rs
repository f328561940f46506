//! `dirql random BDF`: what an entropy device gives, as it is.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::time::Instant;

use dirql::class::random::Random;
use dirql::driver::Settings;
use dirql::host::Host;
use dirql::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::args;
use crate::confine::{self, Needs};
use crate::device::Running;
use crate::output::{Outcome, Output, unwritten};
use crate::signals::{SLICE, Stop};

/// Bytes that are read at a time.
const CHUNK: u64 = 4096;

/// Writes until there is enough, or the user ends it.
pub fn random(host: &Host, args: &args::Random, output: &mut Output) -> Outcome {
    check(args, output)?;
    let stop = Stop::on_signals()?;
    let settings = Settings { interrupts: args.interrupts.map(Into::into), ..Settings::default() };
    let mut running =
        Running::start(host, &args.target.device, &settings, &Needs::output(args.output.as_deref()), &stop)?;
    let written = write(&mut running, args, &stop);
    let document = running.finish(written)?;
    if output.is_json() { output.document(&document) } else { Ok(()) }
}

/// # Errors
/// `InvalidArgument` where stdout is for something else: the document, or a person.
fn check(args: &args::Random, output: &Output) -> Result<()> {
    let refuse = |why: &str, fix: &str| {
        Err(Error::new(ErrorKind::InvalidArgument, "writing of entropy").why(why).fix(fix))
    };
    match args.output {
        Some(_) => Ok(()),
        None if output.is_json() => {
            refuse("stdout cannot hold both the bytes and the JSON document", "-o FILE")
        }
        None if output.is_terminal() && !args.force => {
            refuse("stdout is a terminal, and what comes is not text", "-o FILE, a pipe, or --force")
        }
        None => Ok(()),
    }
}

/// Writes with a device that runs; gives what was done as a document.
fn write(running: &mut Running, args: &args::Random, stop: &Stop) -> Outcome<Value> {
    let (address, started) = (running.address, Instant::now());
    let source = running.random()?;
    let mut to = match &args.output {
        Some(file) => {
            File::create(file).map_err(|error| Error::io(&error, "creation of the file").path(file))?
        }
        // Past the lines that std would look for in it.
        None => File::from(io::stdout().as_fd().try_clone_to_owned().map_err(unwritten)?),
    };
    confine::done();
    let bytes = copy(source, &mut to, args.bytes.unwrap_or(u64::MAX), stop)?;
    Ok(json!({
        "address": address,
        "file": args.output,
        "bytes": bytes,
        "seconds": started.elapsed().as_secs_f64(),
        "vectors": running.vectors(),
    }))
}

/// Copies so many bytes, or those that came until an end was wanted; how many.
fn copy(source: &mut dyn Random, to: &mut dyn Write, bytes: u64, stop: &Stop) -> Outcome<u64> {
    let mut chunk = [0; CHUNK as usize];
    let mut done = 0;
    while done < bytes && !stop.is_wanted() {
        let wanted = (bytes - done).min(CHUNK) as usize;
        let filled = source.fill(&mut chunk[..wanted], SLICE)?;
        to.write_all(&chunk[..filled]).map_err(unwritten)?;
        done += filled as u64;
    }
    to.flush().map_err(unwritten)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use dirql_virtio::model::Options;
    use dirql_virtio::model::rng::{Feed, Source};

    use super::*;
    use crate::device::tests::edu;
    use crate::output::End;

    fn running() -> (Running, Feed) {
        let (device, feed) = Source::new(Options::default()).plug_in().unwrap();
        let running = Running::probe(device, &dirql_virtio::rng::DRIVER, &Settings::default()).unwrap();
        (running, feed)
    }

    fn args(bytes: u64, file: Option<&std::path::Path>) -> args::Random {
        let target = args::Target { device: String::new() };
        let output = file.map(Into::into);
        args::Random { target, bytes: Some(bytes), output, force: false, interrupts: None }
    }

    #[test]
    fn the_bytes_are_the_devices_and_as_many_as_wanted() {
        let (mut running, feed) = running();
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| ((at * at) >> 3) as u8).collect();
        feed.feed(&bytes);
        let file = tempfile::NamedTempFile::new().unwrap();
        let document = write(&mut running, &args(9_000, Some(file.path())), &Stop::never()).unwrap();
        running.stop().unwrap();
        assert!(std::fs::read(file.path()).unwrap() == bytes[..9_000]);
        assert_eq!((&document["bytes"], feed.left()), (&json!(9_000), 1_000));
        assert_eq!(document["vectors"][0]["mode"], "msix", "{document}");
    }

    #[test]
    fn who_reads_no_more_ends_it() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut running, feed) = running();
        feed.feed(&[7; 100]);
        let ended = copy(running.random().unwrap(), &mut Closed, 100, &Stop::never());
        assert!(matches!(ended, Err(End::Unread)));
        running.stop().unwrap();
    }

    #[test]
    fn stdout_is_for_one_thing() {
        let error = check(&args(1, None), &Output::new(true)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        check(&args(1, Some("file".as_ref())), &Output::new(true)).unwrap();
    }

    #[test]
    fn a_teaching_device_is_no_source_of_entropy() {
        let mut running = Running::probe(edu(), &dirql_edu::DRIVER, &Settings::default()).unwrap();
        assert_eq!(running.random().err().unwrap().kind(), ErrorKind::Precondition);
        running.stop().unwrap();
    }
}
