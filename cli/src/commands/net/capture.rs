//! `dirql net BDF pcap FILE`: whatever comes in, written to a capture.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dirql::class::net::Net;
use dirql::host::Host;
use dirql::{Error, ErrorKind, Result};
use serde_json::json;

use super::{start, wait_for_link};
use crate::args;
use crate::output::{End, Outcome, Output, unwritten};
use crate::pcap::Writer;
use crate::signals::{SLICE, Stop};

/// Frames that are taken from the device at a time.
const FRAMES: usize = 256;

/// Receives until enough has come, the time is up, or the user ends it.
pub fn capture(host: &Host, device: &str, args: &args::Pcap, stop: &Stop, output: &mut Output) -> Outcome {
    let to_stdout = args.file == Path::new("-");
    if to_stdout && output.is_json() {
        let error = Error::new(ErrorKind::InvalidArgument, "writing of the capture");
        return Err(error.why("stdout cannot hold both the capture and the JSON document").into());
    }
    let mut running = start(host, device)?;
    let address = running.address;
    let net = running.net()?;
    net.set_promiscuous(true)?;
    let link = wait_for_link(net, stop)?;
    let to: Box<dyn Write> = if to_stdout {
        // Past the lines that std would look for in it.
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        Box::new(File::from(stdout.map_err(unwritten)?))
    } else {
        let created = File::create(&args.file);
        Box::new(created.map_err(|error| Error::io(&error, "creation of the capture").path(&args.file))?)
    };
    let mut writer = Writer::new(BufWriter::new(to)).map_err(unwritten)?;
    writer.flush().map_err(unwritten)?;
    output.note(format_args!("receiving on {address}, MAC {}, link {link}", net.mac()));

    let started = Instant::now();
    let limits =
        Limits { frames: args.count.unwrap_or(u64::MAX), end: args.seconds.map(|time| started + time) };
    let received = receive(net, &mut writer, &limits, stop)?;
    let statistics = net.statistics()?;
    let (seconds, vectors) = (started.elapsed().as_secs_f64(), running.vectors());
    running.stop()?;
    let Received { frames, bytes } = received;
    if output.is_json() {
        return output.document(&json!({
            "address": address,
            "file": args.file,
            "frames": frames,
            "bytes": bytes,
            "seconds": seconds,
            "statistics": statistics,
            "vectors": vectors,
        }));
    }
    let missed = statistics.receive_missed;
    output.note(format_args!("{frames} frames, {bytes} bytes received in {seconds:.3} s, {missed} missed"));
    Ok(())
}

/// When to end.
struct Limits {
    frames: u64,
    end: Option<Instant>,
}

/// What came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Received {
    frames: u64,
    bytes: u64,
}

fn receive(
    net: &mut dyn Net,
    writer: &mut Writer<impl Write>,
    limits: &Limits,
    stop: &Stop,
) -> Result<Received, End> {
    let mut received = Received::default();
    loop {
        let wanted = limits.frames.saturating_sub(received.frames);
        let at_most = usize::try_from(wanted).map_or(FRAMES, |wanted| wanted.min(FRAMES));
        let mut written = Ok(());
        let taken = net.receive(at_most, &mut |frame| {
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            if written.is_ok() {
                written = writer.frame(time, frame);
            }
            received.frames += 1;
            received.bytes += frame.len() as u64;
        })?;
        written.map_err(unwritten)?;
        let left = limits.end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
        if received.frames >= limits.frames || left.is_zero() || stop.is_wanted() {
            writer.flush().map_err(unwritten)?;
            return Ok(received);
        }
        if taken == 0 {
            writer.flush().map_err(unwritten)?;
            net.wait(left.min(SLICE))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcap::Capture;
    use crate::stack::wire::Wire;

    #[test]
    fn ends_after_so_many_frames_or_so_long() {
        for (count, expected) in [(Some(300), 300), (Some(0), 0), (None, 400)] {
            let mut wire = Wire::new();
            (0..400_u16).for_each(|number| wire.inject(&number.to_be_bytes().repeat(30)));
            let mut bytes = Vec::new();
            let mut writer = Writer::new(BufWriter::new(&mut bytes)).unwrap();
            let end = Some(Instant::now() + Duration::from_millis(100));
            let limits = Limits { frames: count.unwrap_or(u64::MAX), end };
            let received = receive(&mut wire, &mut writer, &limits, &Stop::never()).unwrap();
            drop(writer);
            assert_eq!(received, Received { frames: expected, bytes: expected * 60 });
            let capture = Capture::parse(bytes).unwrap();
            assert!(
                capture.frames().map(|frame| u64::from(frame[0]) << 8 | u64::from(frame[1])).eq(0..expected)
            );
        }
    }

    #[test]
    fn a_reader_that_goes_ends_it_quietly() {
        /// Takes the file's header, and then no more.
        struct Gone(bool);
        impl Write for Gone {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    Err(io::ErrorKind::BrokenPipe.into())
                } else {
                    Ok(bytes.len())
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut wire = Wire::new();
        wire.inject(&[0; 60]);
        let mut writer = Writer::new(Gone(false)).unwrap();
        let limits = Limits { frames: 1, end: None };
        assert!(matches!(receive(&mut wire, &mut writer, &limits, &Stop::never()), Err(End::Unread)));
    }
}
