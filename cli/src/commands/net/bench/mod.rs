//! `dirql net BDF bench tx|rx`: how many frames a device sends or receives, and what that costs.
//!
//! The loops are in [`mover`]; they know no clock. [`phase`] runs them, a thread for each pair of rings, and looks at the
//! clock for them. Here is what is made of their counts.

mod counts;
mod mover;
mod phase;

use dirql::class::net::{Filter, HEADER, Statistics};
use dirql::interrupt::VectorStatistics;
use dirql::{Address, Error, ErrorKind};
use serde_json::{Value, json};

use self::counts::Counts;
use self::mover::Work;
use self::phase::{Phase, Ran};
use super::{Start, wait_for_link};
use crate::args::{self, Direction, Wait};
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::signals::Stop;
use crate::vectors;

/// What is measured, and how the device's rings are waited for.
struct Bench<'a> {
    args: &'a args::Bench,
    wait: Wait,
    stop: &'a Stop,
}

/// Measures until the time is up or the user ends it.
pub fn bench(start: &Start<'_>, wait: Wait, args: &args::Bench, output: &mut Output) -> Outcome {
    check(args, start.max_frame())?;
    let mut running = start.start()?;
    let measured = Bench { args, wait, stop: start.stop }.measure(&mut running, output);
    let report = running.finish(measured)?;
    if output.is_json() { output.document(&report.document()) } else { output.text(&report.text()) }
}

/// # Errors
/// `InvalidArgument` where something asked for makes no sense.
fn check(args: &args::Bench, max_frame: usize) -> dirql::Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidArgument, "measurement").why(why));
    if args.size as usize > max_frame {
        return refuse(format!(
            "a frame of {} bytes is longer than {max_frame}, which --mtu {} allows",
            args.size,
            max_frame - HEADER
        ));
    }
    if args.direction == Direction::Rx && args.rate.is_some() {
        return refuse("--rate paces what is sent; what comes in comes as it does".into());
    }
    Ok(())
}

impl Bench<'_> {
    /// Warms up, measures, and says what was counted.
    fn measure(&self, running: &mut Running, output: &Output) -> Outcome<Report> {
        let address = running.address;
        let net = running.net()?;
        if self.args.direction == Direction::Rx {
            net.set_filter(&Filter::promiscuous())?;
        }
        let link = wait_for_link(net, self.stop)?;
        if !link.up && !self.stop.is_wanted() {
            return Err(Error::new(ErrorKind::Device, "measurement")
                .on(address)
                .why("the link is down")
                .into());
        }
        if !output.is_json() {
            output.note(format_args!("measuring on {address}, MAC {}, link {link}", net.mac()));
        }
        let work = Work::new(self.args, net.mac());
        let phase = Phase { work: &work, wait: self.wait, stop: self.stop };
        let warm = match self.args.warmup {
            none if none.is_zero() => Counts::default(),
            warmup => phase.run(net, warmup)?.counts,
        };
        let before = net.statistics()?;
        let vectors_before = running.vectors();
        let net = running.net()?;
        let ran = phase.run(net, self.args.seconds)?;
        // At once, before the rings of a busy device run full.
        let statistics = net.statistics()?;
        phase.drain(net)?;
        let queues = net.queues().len();
        let vectors = running.vectors();
        let interrupts = taken(&vectors) - taken(&vectors_before);
        let total_frames = warm.frames + ran.counts.frames;
        let (args, wait) = (self.args, self.wait);
        let settings = json!({ "direction": args.direction, "batch": args.batch, "size": args.size,
            "rate_limit": args.rate, "wait": wait, "queues": queues });
        Ok(Report { address, settings, ran, total_frames, before, statistics, interrupts, vectors })
    }
}

/// Interrupts that arrived.
fn taken(vectors: &[VectorStatistics]) -> u64 {
    vectors.iter().map(|vector| vector.count).sum()
}

/// What was counted.
#[derive(Debug)]
struct Report {
    address: Address,
    settings: Value,
    ran: Ran,
    total_frames: u64,
    before: Statistics,
    statistics: Statistics,
    interrupts: u64,
    vectors: Vec<VectorStatistics>,
}

impl Report {
    fn rate(&self) -> f64 {
        self.ran.counts.frames as f64 / self.ran.elapsed.as_secs_f64().max(1e-9)
    }

    /// `of` for each frame; 0 of none.
    fn each(&self, of: f64) -> f64 {
        if self.ran.counts.frames == 0 { 0.0 } else { of / self.ran.counts.frames as f64 }
    }

    fn doorbells_per_frame(&self) -> f64 {
        self.each(self.ran.counts.doorbells as f64)
    }

    fn cpu_ns_per_frame(&self) -> f64 {
        self.each(self.ran.cpu.as_secs_f64() * 1e9)
    }

    fn missed(&self) -> u64 {
        self.statistics.receive_missed.saturating_sub(self.before.receive_missed)
    }

    fn document(&self) -> Value {
        let Counts { frames, bytes, doorbells } = self.ran.counts;
        let mut document = json!({
            "address": self.address,
            "frames": frames,
            "bytes": bytes,
            "seconds": self.ran.elapsed.as_secs_f64(),
            "rate": self.rate(),
            "per_second": self.ran.per_second,
            "total_frames": self.total_frames,
            "doorbells": doorbells,
            "doorbells_per_frame": self.doorbells_per_frame(),
            "cpu_seconds": self.ran.cpu.as_secs_f64(),
            "cpu_ns_per_frame": self.cpu_ns_per_frame(),
            "missed": self.missed(),
            "interrupts": self.interrupts,
            "statistics": self.statistics,
            "vectors": self.vectors,
        });
        if let (Some(document), Some(settings)) = (document.as_object_mut(), self.settings.as_object()) {
            document.extend(settings.clone());
        }
        document
    }

    fn text(&self) -> String {
        let Counts { frames, bytes, doorbells } = self.ran.counts;
        let seconds = self.ran.elapsed.as_secs_f64();
        let cpu = vectors::time(self.cpu_ns_per_frame() as u64);
        format!(
            "{frames} frames, {bytes} bytes in {seconds:.3} s: {:.0} frames/s, {} missed\n\
             {doorbells} doorbells, {:.3} a frame; {cpu} of processor time a frame; {} interrupts\n",
            self.rate(),
            self.missed(),
            self.doorbells_per_frame(),
            self.interrupts,
        )
    }
}

#[cfg(test)]
mod tests;
