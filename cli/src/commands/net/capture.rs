//! `dirql net BDF pcap FILE`: whatever comes in, written to a capture.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use dirql::class::net::{Filter, Interest, Net};
use dirql::{Error, ErrorKind};
use serde_json::{Value, json};

use super::{Start, wait_for_link};
use crate::args;
use crate::confine;
use crate::device::Running;
use crate::output::{Outcome, Output, unwritten};
use crate::pcap::Writer;
use crate::signals::Stop;

/// How long nothing may come before it looks around; what it waits for wakes it.
const QUIET: Duration = Duration::from_secs(3600);
/// Frames that are taken from the device at a time.
const FRAMES: usize = 256;
/// Chunks of frames that may wait for the file.
const CHUNKS: usize = 64;

/// Receives until enough has come, the time is up, or the user ends it.
pub fn capture(start: &Start<'_>, args: &args::Pcap, output: &mut Output) -> Outcome {
    let to_stdout = args.file == Path::new("-");
    if to_stdout && output.is_json() {
        let error = Error::new(ErrorKind::InvalidArgument, "writing of the capture");
        return Err(error.why("stdout cannot hold both the capture and the JSON document").into());
    }
    start.check_one_queue("receiving")?;
    let mut running = start.start()?;
    let captured = capture_with(&mut running, args, start.stop, output);
    let (document, summary) = running.finish(captured)?;
    if output.is_json() {
        return output.document(&document);
    }
    output.note(summary);
    Ok(())
}

/// Receives with a device that runs; gives what came, as a document and as words.
fn capture_with(
    running: &mut Running,
    args: &args::Pcap,
    stop: &Stop,
    output: &Output,
) -> Outcome<(Value, String)> {
    let to_stdout = args.file == Path::new("-");
    let address = running.address;
    let net = running.net()?;
    net.set_filter(&Filter::promiscuous())?;
    let link = wait_for_link(net, stop)?;
    let to: Box<dyn Write + Send> = if to_stdout {
        // Past the lines that std would look for in it.
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        Box::new(File::from(stdout.map_err(unwritten)?))
    } else {
        let created = File::create(&args.file);
        Box::new(created.map_err(|error| Error::io(&error, "creation of the capture").path(&args.file))?)
    };
    confine::done();
    if !output.is_json() {
        output.note(format_args!("receiving on {address}, MAC {}, link {link}", net.mac()));
    }

    let started = Instant::now();
    let limits =
        Limits { frames: args.count.unwrap_or(u64::MAX), end: args.seconds.map(|time| started + time) };
    let received = receive_into(to, net, &limits, stop)?;
    let statistics = net.statistics()?;
    let (seconds, vectors) = (started.elapsed().as_secs_f64(), running.vectors());
    let (Received { frames, bytes }, missed) = (received, statistics.receive_missed);
    let document = json!({
        "address": address,
        "file": args.file,
        "frames": frames,
        "bytes": bytes,
        "seconds": seconds,
        "statistics": statistics,
        "vectors": vectors,
    });
    let summary = format!("{frames} frames, {bytes} bytes received in {seconds:.3} s, {missed} missed");
    Ok((document, summary))
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

/// Receives, while a thread writes: a file may be slow, and the ring of the device is short.
fn receive_into(
    mut to: impl Write + Send,
    net: &mut dyn Net,
    limits: &Limits,
    stop: &Stop,
) -> Outcome<Received> {
    let waker = net.queue().waker();
    let on_failure = waker.clone();
    thread::scope(|scope| {
        let (chunks, written) = mpsc::sync_channel::<Vec<u8>>(CHUNKS);
        let file = scope.spawn(move || {
            let written =
                written.into_iter().try_for_each(|chunk| to.write_all(&chunk)).and_then(|()| to.flush());
            // Nobody takes chunks any more: who waits for frames finds out.
            on_failure.schedule();
            written
        });
        let received = stop.waking(&waker, || receive(net, &chunks, limits, stop));
        drop(chunks);
        let written =
            file.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes has panicked")));
        // A device that fails says more than the file does.
        let received = received??;
        written.map_err(unwritten).map(|()| received)
    })
}

/// Hands over what comes in, in chunks, until the limits are reached or nobody takes the chunks.
fn receive(
    net: &mut dyn Net,
    chunks: &SyncSender<Vec<u8>>,
    limits: &Limits,
    stop: &Stop,
) -> Outcome<Received> {
    let mut received = Received::default();
    let mut writer = Writer::new(Vec::new()).map_err(unwritten)?;
    loop {
        // An empty chunk too finds out whether there is anybody.
        if chunks.send(writer.take()).is_err() {
            return Ok(received);
        }
        let left = limits.end.map_or(QUIET, |end| end.saturating_duration_since(Instant::now()));
        if received.frames >= limits.frames || left.is_zero() || stop.is_wanted() {
            return Ok(received);
        }
        let wanted = limits.frames.saturating_sub(received.frames);
        let at_most = usize::try_from(wanted).map_or(FRAMES, |wanted| wanted.min(FRAMES));
        let mut kept = Ok(());
        let taken = net.queue().receive(at_most, &mut |frame| {
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
            if kept.is_ok() {
                kept = writer.frame(time, &frame.bytes());
            }
            received.frames += 1;
            received.bytes += frame.len() as u64;
        })?;
        kept.map_err(unwritten)?;
        if taken == 0 {
            net.queue().wait(Interest::Receive, left)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::End;
    use crate::pcap::Capture;
    use crate::stack::wire::Wire;

    #[test]
    fn ends_after_so_many_frames_or_so_long() {
        for (count, expected) in [(Some(300), 300), (Some(0), 0), (None, 400)] {
            let mut wire = Wire::new();
            (0..400_u16).for_each(|number| wire.inject(&number.to_be_bytes().repeat(30)));
            let mut bytes = Vec::new();
            let end = Some(Instant::now() + Duration::from_millis(100));
            let limits = Limits { frames: count.unwrap_or(u64::MAX), end };
            let received = receive_into(&mut bytes, &mut wire, &limits, &Stop::never()).unwrap();
            assert_eq!(received, Received { frames: expected, bytes: expected * 60 });
            let capture = Capture::parse(bytes).unwrap();
            assert!(
                capture.frames().map(|frame| u64::from(frame[0]) << 8 | u64::from(frame[1])).eq(0..expected)
            );
        }
    }

    #[test]
    fn a_reader_that_goes_ends_it_quietly() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let limits = Limits { frames: u64::MAX, end: None };
        let end = receive_into(Gone, &mut Wire::new(), &limits, &Stop::never());
        assert!(matches!(end, Err(End::Unread)));
    }

    #[test]
    fn an_end_is_heard_while_nothing_comes() {
        let stop = &Stop::never();
        let limits = &Limits { frames: u64::MAX, end: None };
        let received = thread::scope(|scope| {
            let (mut bytes, mut wire) = (Vec::new(), Wire::new());
            let receiving = scope.spawn(move || receive_into(&mut bytes, &mut wire, limits, stop));
            thread::sleep(Duration::from_millis(20));
            stop.ask();
            receiving.join().unwrap()
        });
        assert_eq!(received.unwrap(), Received::default());
    }
}
