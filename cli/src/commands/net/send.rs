//! `dirql net BDF send FILE`: the frames of a capture, sent in their order.

use std::path::Path;
use std::time::{Duration, Instant};

use dirql::class::net::{Interest, Net};
use dirql::interrupt::VectorStatistics;
use dirql::{Address, Error, ErrorKind, Result};
use serde_json::json;

use super::{Start, wait_for_link};
use crate::args;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::pcap::Capture;
use crate::signals::{SLICE, Stop};
use crate::vectors;

/// The header of an Ethernet frame.
const MIN_FRAME: usize = 14;
/// How long the ring may stand still.
const STANDSTILL: Duration = Duration::from_secs(5);
/// Frames that are thrown away at a time.
const FRAMES: usize = 256;

/// Sends every frame of the file.
pub fn send(start: &Start<'_>, args: &args::Send, output: &mut Output) -> Outcome {
    let capture = Capture::open(&args.file)?;
    start.check_one_queue("sending")?;
    check_lengths(&capture, &args.file, start.max_frame())?;
    let mut running = start.start()?;
    let address = running.address;
    let transferred = transfer(&mut running, &capture, args, start.stop);
    let Transferred { sent, elapsed, vectors } = running.finish(transferred)?;
    let seconds = elapsed.as_secs_f64();
    let printed = if output.is_json() {
        output.document(&json!({
            "address": address,
            "file": args.file,
            "frames": sent.frames,
            "bytes": sent.bytes,
            "doorbells": sent.doorbells,
            "seconds": seconds,
            "vectors": vectors,
        }))
    } else {
        let Sent { frames, bytes, doorbells } = &sent;
        let summary =
            format!("{frames} frames, {bytes} bytes sent in {seconds:.3} s, {doorbells} doorbells\n");
        output.text(&(summary + &vectors::table(&vectors, &[], elapsed).render(None)))
    };
    // A reader that has gone does not make a failure a success.
    if sent.frames < capture.len() as u64 {
        let why = format!("it was interrupted after {} of {} frames", sent.frames, capture.len());
        return Err(Error::new(ErrorKind::Failure, "sending").on(address).why(why).into());
    }
    printed
}

/// What went out, how long it took, and what the vectors counted.
struct Transferred {
    sent: Sent,
    elapsed: Duration,
    vectors: Vec<VectorStatistics>,
}

/// Sends with a device that runs.
fn transfer(
    running: &mut Running,
    capture: &Capture,
    args: &args::Send,
    stop: &Stop,
) -> Outcome<Transferred> {
    let address = running.address;
    let net = running.net()?;
    let link = wait_for_link(net, stop)?;
    if !link.up && !stop.is_wanted() {
        return Err(Error::new(ErrorKind::Device, "sending").on(address).why("the link is down").into());
    }
    let started = Instant::now();
    let batch = usize::try_from(args.batch).unwrap_or(usize::MAX);
    let sent = Sender { net, address, stop }.send(capture, batch)?;
    Ok(Transferred { sent, elapsed: started.elapsed(), vectors: running.vectors() })
}

/// Nothing is sent of a file that cannot be sent whole.
fn check_lengths(capture: &Capture, file: &Path, max_frame: usize) -> Result<()> {
    for (number, frame) in (1..).zip(capture.frames()) {
        if !(MIN_FRAME..=max_frame).contains(&frame.len()) {
            return Err(Error::new(ErrorKind::InvalidArgument, "reading of the capture").path(file).why(
                format!(
                    "frame {number} has {} bytes; frames of {MIN_FRAME} to {max_frame} bytes can be sent",
                    frame.len()
                ),
            ));
        }
    }
    Ok(())
}

/// What was sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sent {
    frames: u64,
    bytes: u64,
    doorbells: u64,
}

struct Sender<'a> {
    net: &'a mut dyn Net,
    address: Address,
    stop: &'a Stop,
}

impl Sender<'_> {
    /// Queues frames as there is room, at most `batch` for each ring of the doorbell, and waits until all are out.
    fn send(mut self, capture: &Capture, batch: usize) -> Result<Sent> {
        let mut sent = Sent::default();
        let mut next = 0;
        let mut moved = Instant::now();
        while next < capture.len() && !self.stop.is_wanted() {
            let end = next.saturating_add(batch).min(capture.len());
            let queued = self.queue(capture, next, end)?;
            let frames = (next..next + queued).filter_map(|index| capture.frame(index));
            sent.bytes += frames.map(|frame| frame.len() as u64).sum::<u64>();
            sent.frames += queued as u64;
            if queued > 0 {
                next += queued;
                sent.doorbells += 1;
                moved = Instant::now();
            } else {
                self.wait(moved, "no frame has left the full ring")?;
            }
        }
        let (mut left, mut moved) = (usize::MAX, Instant::now());
        loop {
            match self.net.queue().in_flight()? {
                0 => return Ok(sent),
                _ if self.stop.is_device_wanted() => return Ok(sent),
                now if now < left => (left, moved) = (now, Instant::now()),
                _ => {}
            }
            self.wait(moved, "the last frames have not left the ring")?;
        }
    }

    /// Queues the frames from `next` to `end`, and gives how many had room.
    fn queue(&mut self, capture: &Capture, mut next: usize, end: usize) -> Result<usize> {
        self.net.queue().transmit(&mut |buffer| {
            let frame = (next < end).then(|| capture.frame(next)).flatten()?;
            // The lengths have been checked; what does not fit would be refused by the device as length 0.
            let Some(room) = buffer.get_mut(..frame.len()) else { return Some(0.into()) };
            room.copy_from_slice(frame);
            next += 1;
            Some(frame.len().into())
        })
    }

    /// Waits for the device, which last did something at `moved`.
    fn wait(&mut self, moved: Instant, what: &str) -> Result<()> {
        self.net.queue().wait(Interest::Both, SLICE)?;
        // What comes in meanwhile is not wanted, but its buffers are.
        self.net.queue().receive(FRAMES, &mut |_| {})?;
        if moved.elapsed() < STANDSTILL {
            return Ok(());
        }
        let left = self.net.queue().in_flight()?;
        let link = self.net.link()?;
        Err(Error::new(ErrorKind::Device, "sending")
            .on(self.address)
            .code(dirql::Code::E15)
            .why(format!("{what} for {} s; {left} are in flight, the link is {link}", STANDSTILL.as_secs()))
            .fix("see whether the IOMMU refused the device: sudo dmesg | grep -iE 'dmar|amd-vi'"))
    }
}

#[cfg(test)]
mod tests {
    use dirql::class::net::MAX_FRAME;
    use dirql::driver::Settings;

    use super::*;
    use crate::pcap::Writer;
    use crate::stack::wire::Wire;

    fn capture(lengths: &[usize]) -> Capture {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        for (index, &length) in lengths.iter().enumerate() {
            writer.frame(Duration::ZERO, &vec![index as u8; length]).unwrap();
        }
        Capture::parse(bytes).unwrap()
    }

    fn send(wire: &mut Wire, capture: &Capture, batch: usize) -> Result<Sent> {
        let (address, stop) = ("00:03.0".parse().unwrap(), Stop::never());
        Sender { net: wire, address, stop: &stop }.send(capture, batch)
    }

    #[test]
    fn sends_all_in_order_through_a_small_ring() {
        let lengths: Vec<usize> = (0..200).map(|index| 14 + index * 7).collect();
        let capture = capture(&lengths);
        for (ring, batch, doorbells) in
            [(0, 32, Some(7)), (0, 1, Some(200)), (5, 32, None), (1, usize::MAX, None)]
        {
            let mut wire = Wire::new();
            wire.ring = ring;
            let sent = send(&mut wire, &capture, batch).unwrap();
            assert!(wire.sent.iter().map(Vec::as_slice).eq(capture.frames()), "ring {ring}, batch {batch}");
            assert_eq!((sent.frames, sent.bytes), (200, lengths.iter().sum::<usize>() as u64));
            assert!(doorbells.is_none_or(|doorbells| doorbells == sent.doorbells), "{sent:?}");
            assert_eq!(wire.queue().in_flight().unwrap(), 0);
        }
    }

    #[test]
    fn sends_all_in_order_by_an_e1000() {
        let (device, wire) = dirql_e1000::model::Chip::new().plug_in().unwrap();
        let mut running =
            crate::device::Running::probe(device, &dirql_e1000::DRIVER, &Settings::default()).unwrap();
        let capture = capture(&(0..1000).map(|index| 60 + index % 1455).collect::<Vec<_>>());
        for batch in [7, 31, 255, 1000] {
            let (address, stop) = (running.address, Stop::never());
            let sender = Sender { net: running.net().unwrap(), address, stop: &stop };
            assert_eq!(sender.send(&capture, batch).unwrap().frames, 1000);
            assert!(wire.sent().iter().map(Vec::as_slice).eq(capture.frames()), "batch {batch}");
        }
        running.stop().unwrap();
    }

    #[test]
    fn a_broken_device_is_an_error() {
        let mut wire = Wire::new();
        wire.broken = true;
        assert_eq!(send(&mut wire, &capture(&[60]), 1).unwrap_err().kind(), ErrorKind::Device);
    }

    #[test]
    fn a_frame_of_a_wrong_length_is_named() {
        let file = Path::new("frames.pcap");
        assert!(check_lengths(&capture(&[14, 1514]), file, MAX_FRAME).is_ok());
        assert!(check_lengths(&capture(&[9014]), file, 9014).is_ok());
        for (lengths, why) in [(&[60, 13][..], "frame 2 has 13 bytes"), (&[1515], "frame 1 has 1515 bytes")] {
            let error = check_lengths(&capture(lengths), file, MAX_FRAME).unwrap_err();
            assert!(error.to_string().contains(why) && error.kind().exit_code() == 2, "{error}");
        }
    }
}
