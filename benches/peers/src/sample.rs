//! One contender on one NIC: its rate, what it loses at a modest rate, and what it costs when nothing comes.

use crate::contender::{Contender, Direction, Job, SIZE};
use crate::nic::Nic;
use crate::said::Said;
use crate::window::{Ends, Seen};
use dirql_lab::{Machine, Offer, Result};
use serde::Serialize;
use std::thread;
use std::time::Duration;

/// More than any of them takes.
const PLENTY: u64 = 450_000;
/// Enough that they have worked before they are idle.
const SOME: u64 = 10_000;
/// How long an idle one is watched.
const IDLE: Duration = Duration::from_secs(5);
/// How long after its start frames may begin to flow.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long is measured, and how long is not before that.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub window: Duration,
}

/// What one slot came to; rates are of a second.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Frames that left the cable, or were taken from it, counted outside.
    pub rate: f64,
    /// Frames offered.
    pub offered: f64,
    /// Of those, lost because the NIC took none.
    pub lost: f64,
    /// What the guest's kernel counted, where it has the NIC.
    pub counted: Option<f64>,
    /// What the contender says.
    pub said: Said,
    /// Seconds of the guest's processors, of all together, whatever they did.
    pub guest: f64,
    /// Seconds of the contender's own threads.
    pub process: Option<f64>,
    /// How often those gave way by themselves.
    pub switches: Option<f64>,
    /// The part of the host's processors' time that nobody wanted.
    pub host_idle: f64,
}

/// The most that a contender moves.
pub fn rate(
    machine: &Machine,
    nic: Nic,
    direction: Direction,
    contender: Contender,
    times: Times,
) -> Result<Sample> {
    let offer = match direction {
        Direction::Transmit => None,
        Direction::Receive => Some(PLENTY),
    };
    run(machine, nic, direction, contender, times, offer)
}

/// What a contender takes of so many frames a second.
pub fn loss(machine: &Machine, nic: Nic, contender: Contender, times: Times, offered: u64) -> Result<Sample> {
    run(machine, nic, Direction::Receive, contender, times, Some(offered))
}

/// What a contender costs that has received something, and then nothing more.
pub fn idle(machine: &Machine, nic: Nic, contender: Contender) -> Result<Sample> {
    let wire = machine.wire(nic.name())?;
    let sink = wire.sink()?;
    let job = contender.start(machine, nic, Direction::Receive)?;
    let offer = wire.offer(&frame(nic), SOME)?;
    let busy = Ends { machine, wire, sink: &sink, offer: Some(&offer) };
    if let Err(error) = busy.flow(PATIENCE) {
        return Err(with_words(error, job, machine));
    }
    offer.stop()?;
    thread::sleep(Duration::from_secs(1));
    let seen = Ends { machine, wire, sink: &sink, offer: None }.window(&job, IDLE)?;
    finish(machine, job, seen, Direction::Receive, 0)
}

fn run(
    machine: &Machine,
    nic: Nic,
    direction: Direction,
    contender: Contender,
    times: Times,
    offer: Option<u64>,
) -> Result<Sample> {
    let wire = machine.wire(nic.name())?;
    let sink = wire.sink()?;
    let job = contender.start(machine, nic, direction)?;
    let offer = offer.map(|rate| wire.offer(&frame(nic), rate)).transpose()?;
    let ends = Ends { machine, wire, sink: &sink, offer: offer.as_ref() };
    if let Err(error) = ends.flow(PATIENCE) {
        return Err(with_words(error, job, machine));
    }
    thread::sleep(times.warm_up);
    let seen = ends.window(&job, times.window)?;
    let sample = finish(machine, job, seen, direction, times.warm_up.as_secs() as usize);
    offer.map(Offer::stop).transpose()?;
    sample
}

fn finish(machine: &Machine, job: Job, seen: Seen, direction: Direction, warm_up: usize) -> Result<Sample> {
    let process = job.process().is_some();
    let counted = job.counter().is_some();
    let said = job.end(machine, warm_up)?;
    Ok(Sample {
        rate: match direction {
            Direction::Transmit => seen.out,
            Direction::Receive => seen.taken(),
        },
        offered: seen.offered,
        lost: seen.lost,
        counted: counted.then_some(seen.inside.counted),
        said,
        guest: seen.inside.busy,
        process: process.then_some(seen.inside.time),
        switches: process.then_some(seen.inside.switches),
        host_idle: seen.host_idle,
    })
}

/// An error, and what the contender has to say to it.
fn with_words(error: dirql_lab::Error, job: Job, machine: &Machine) -> dirql_lab::Error {
    match job.end(machine, 0) {
        Ok(said) => format!("{error}: {said:?}").into(),
        Err(words) => format!("{error}: {words}").into(),
    }
}

/// A frame to the NIC, of an experimental type.
fn frame(nic: Nic) -> Vec<u8> {
    let mut frame = [&nic.mac()[..], &[2, 0, 0, 0, 0, 9, 0x88, 0xb5]].concat();
    frame.resize(SIZE, 0x5a);
    frame
}
