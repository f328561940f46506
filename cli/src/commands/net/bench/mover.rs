//! The loops. They look at no clock, make no system call unless they are to sleep, and allocate nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dirql::Result;
use dirql::class::net::{HEADER, Interest, Mac, Queue};

use super::counts::Counts;
use crate::args::{self, Direction, Wait};

/// The EtherType for experiments, of IEEE 802.
const ETHERTYPE: u16 = 0x88b5;
/// How long a thread sleeps for nothing: whoever wants it to end wakes it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a paced sender sleeps where it is ahead of its time.
const PAUSE: Duration = Duration::from_micros(200);

/// What each thread does.
#[derive(Debug)]
pub struct Work {
    direction: Direction,
    batch: usize,
    size: usize,
    header: [u8; HEADER],
    rate: Option<u64>,
}

impl Work {
    /// What the user asked for, sent from `own`.
    pub fn new(args: &args::Bench, own: Mac) -> Self {
        let mut header = [0; HEADER];
        header[..6].copy_from_slice(&args.to.0);
        header[6..12].copy_from_slice(&own.0);
        header[12..].copy_from_slice(&ETHERTYPE.to_be_bytes());
        Self {
            direction: args.direction,
            batch: args.batch.into(),
            size: args.size as usize,
            header,
            rate: args.rate,
        }
    }
}

/// What a thread counts, for others to look at. It is alone in its lines of the cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Shown {
    frames: AtomicU64,
}

impl Shown {
    /// Frames until now.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

/// A thread's pair of rings, and how it moves frames through it.
pub struct Mover<'a> {
    pub queue: &'a mut dyn Queue,
    pub work: &'a Work,
    pub wait: Wait,
    /// Of how many threads it is one.
    pub threads: u64,
    pub shown: &'a Shown,
    /// Somebody wants it to end.
    pub ended: &'a AtomicBool,
}

impl Mover<'_> {
    /// Moves frames until the end is wanted. One that fails ends all.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn run(self) -> Result<Counts> {
        let ended = self.ended;
        self.try_run().inspect_err(|_| ended.store(true, Ordering::Relaxed))
    }

    fn try_run(mut self) -> Result<Counts> {
        let before = self.queue.counters();
        let (frames, bytes) = match self.work.direction {
            Direction::Tx => match self.work.rate {
                None => self.transmit(),
                Some(rate) => self.transmit_paced(rate as f64 / self.threads as f64),
            }
            .map(|frames| (frames, frames * self.work.size as u64)),
            Direction::Rx => self.receive(),
        }?;
        let after = self.queue.counters();
        let doorbells = match self.work.direction {
            Direction::Tx => after.transmit_doorbells - before.transmit_doorbells,
            Direction::Rx => after.receive_doorbells - before.receive_doorbells,
        };
        Ok(Counts { frames, bytes, doorbells })
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Sends at most so many frames, by one ring of the doorbell, and gives how many there was room for.
    #[inline]
    fn burst(&mut self, at_most: usize) -> Result<usize> {
        let Work { size, ref header, .. } = *self.work;
        let mut left = at_most;
        self.queue.transmit(&mut |buffer| {
            left = left.checked_sub(1)?;
            // What comes after is what it was: zeros.
            *buffer.first_chunk_mut()? = *header;
            Some(size.into())
        })
    }

    fn transmit(&mut self) -> Result<u64> {
        let mut frames = 0;
        while !self.is_ended() {
            match self.burst(self.work.batch)? {
                0 if self.wait != Wait::Poll => drop(self.queue.wait(Interest::Transmit, PATIENCE)?),
                queued => frames += queued as u64,
            }
            self.shown.frames.store(frames, Ordering::Relaxed);
        }
        Ok(frames)
    }

    /// As [`Self::transmit`], but no faster than `rate`. It asks for the time where it has sent what was due.
    fn transmit_paced(&mut self, rate: f64) -> Result<u64> {
        let started = Instant::now();
        let (mut frames, mut due) = (0, 0);
        while !self.is_ended() {
            if frames >= due {
                due = (started.elapsed().as_secs_f64() * rate) as u64;
                if frames >= due {
                    thread::sleep(PAUSE);
                    continue;
                }
            }
            let batch = usize::try_from(due - frames).map_or(self.work.batch, |due| due.min(self.work.batch));
            match self.burst(batch)? {
                0 if self.wait != Wait::Poll => drop(self.queue.wait(Interest::Transmit, PATIENCE)?),
                queued => frames += queued as u64,
            }
            self.shown.frames.store(frames, Ordering::Relaxed);
        }
        Ok(frames)
    }

    fn receive(&mut self) -> Result<(u64, u64)> {
        let (mut frames, mut bytes) = (0, 0);
        while !self.is_ended() {
            match self.queue.receive(self.work.batch, &mut |frame| bytes += frame.len() as u64)? {
                0 if self.wait != Wait::Poll => drop(self.queue.wait(Interest::Receive, PATIENCE)?),
                // No pause: where a processor is emulated, that stops the device as well.
                0 => {}
                taken => {
                    frames += taken as u64;
                    self.shown.frames.store(frames, Ordering::Relaxed);
                }
            }
        }
        Ok((frames, bytes))
    }
}
