//! What is seen while a contender is at work: the cable's two ends, by the clock of the host, and the guest, by its own.

use crate::contender::Job;
use crate::host::Ticks;
use crate::inside::{Inside, Second};
use dirql_lab::{Machine, Offer, Result, Sink, Wire};
use std::thread;
use std::time::{Duration, Instant};

/// The ends of a NIC's cable.
pub struct Ends<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The cable.
    pub wire: &'a Wire,
    /// What counts the frames that come.
    pub sink: &'a Sink,
    /// What sends.
    pub offer: Option<&'a Offer>,
}

/// The cable at one moment, in frames from anywhere.
#[derive(Debug, Clone, Copy)]
struct Cable {
    when: Instant,
    out: u64,
    offered: u64,
    lost: u64,
}

/// What was seen, in frames a second.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Came out of the cable.
    pub out: f64,
    /// Were offered to it.
    pub offered: f64,
    /// Of those, were lost before the NIC took them: it had no buffers.
    pub lost: f64,
    /// How the guest fared.
    pub inside: Second,
    /// The part of the host's processors' time that nobody wanted.
    pub host_idle: f64,
}

impl Seen {
    /// Were taken by the NIC.
    pub fn taken(&self) -> f64 {
        self.offered - self.lost
    }
}

impl Ends<'_> {
    fn cable(&self) -> Result<Cable> {
        Ok(Cable {
            when: Instant::now(),
            out: self.sink.count()?,
            offered: self.offer.map_or(0, Offer::sent),
            lost: self.wire.lost()?,
        })
    }

    /// Waits until frames flow.
    pub fn flow(&self, patience: Duration) -> Result<()> {
        let start = self.cable()?;
        loop {
            thread::sleep(Duration::from_millis(20));
            let now = self.cable()?;
            let taken = (now.offered - start.offered).saturating_sub(now.lost - start.lost);
            // More than the cable itself holds.
            if taken.max(now.out - start.out) > 12_000 {
                return Ok(());
            }
            if start.when.elapsed() > patience {
                return Err(format!("no frames flow after {patience:?}").into());
            }
        }
    }

    /// Looks, lets the time pass, and looks again.
    pub fn window(&self, job: &Job, time: Duration) -> Result<Seen> {
        let look = || Inside::of(self.machine, job.process(), job.counter());
        let early = look()?;
        let (first, ticks) = (self.cable()?, Ticks::now()?);
        thread::sleep(time);
        let last = self.cable()?;
        let host_idle = Ticks::now()?.idle_since(ticks);
        let late = look()?;
        let seconds = (last.when - first.when).as_secs_f64();
        let rate = |first: u64, last: u64| (last - first) as f64 / seconds;
        Ok(Seen {
            out: rate(first.out, last.out),
            offered: rate(first.offered, last.offered),
            lost: rate(first.lost, last.lost),
            inside: late.since(early),
            host_idle,
        })
    }
}
