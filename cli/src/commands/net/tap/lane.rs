//! Frames between a pair of a device's rings and a queue of a TAP interface.

use std::io;
use std::time::Duration;

use dirql::class::net::{Interest, Queue};
use dirql::{Error, ErrorKind, Result};
use dirql_tap::TapQueue;

use super::bell::Bell;
use crate::signals::Stop;

/// Frames that go one way before the other has its turn.
const BATCH: usize = 64;

/// How long a lane sleeps for nothing: whatever it waits for wakes it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Frames that were carried.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// From the kernel to the device.
    pub sent: u64,
    /// From the device to the kernel.
    pub received: u64,
    /// What the kernel did not want, or the device could not send.
    pub dropped: u64,
}

impl Counts {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            dropped: self.dropped + other.dropped,
        }
    }
}

/// Why no more frames came from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There are none.
    Empty,
    /// There may be more.
    Batch,
    /// The device's ring is full.
    Full,
}

/// A pair of rings and a queue.
pub struct Lane<'a> {
    queue: &'a mut dyn Queue,
    tap: &'a TapQueue,
    bell: &'a Bell<'a>,
    index: usize,
    poll: bool,
    stop: &'a Stop,
    counts: Counts,
}

impl<'a> Lane<'a> {
    /// The lane of this number. With `poll` it never sleeps.
    pub fn new(
        queue: &'a mut dyn Queue,
        tap: &'a TapQueue,
        bell: &'a Bell<'a>,
        index: usize,
        poll: bool,
        stop: &'a Stop,
    ) -> Self {
        Self { queue, tap, bell, index, poll, stop, counts: Counts::default() }
    }

    /// Carries frames until the round is over. A lane that fails ends it.
    ///
    /// # Errors
    /// Where the device fails, or the interface is gone.
    pub fn carry(mut self) -> Result<Counts> {
        let outcome = self.try_carry();
        if outcome.is_err() {
            self.bell.end_round();
        }
        outcome.map(|()| self.counts)
    }

    fn try_carry(&mut self) -> Result<()> {
        let mut unexplained = false;
        while !self.bell.is_round_over() && !self.stop.is_wanted() {
            let (sent, ended) = self.send()?;
            let received = self.receive()?;
            if sent + received > 0 || ended == Ended::Batch {
                unexplained = false;
                continue;
            }
            if std::mem::take(&mut unexplained) {
                // Something else has happened: most likely to the link.
                self.bell.look_at_link()?;
                continue;
            }
            if !self.poll {
                unexplained = self.sleep(ended)?;
            }
        }
        Ok(())
    }

    /// Sleeps until a frame may be carried; true where that was not for the TAP queue.
    fn sleep(&mut self, ended: Ended) -> Result<bool> {
        let interest = match ended {
            Ended::Full => Interest::Both,
            _ => {
                self.bell.arm(self.index)?;
                Interest::Receive
            }
        };
        let woken = self.queue.wait(interest, PATIENCE)?;
        Ok(!self.bell.has_rung(self.index) && woken)
    }

    /// From the kernel to the device: frames are read to where the device takes them from.
    fn send(&mut self) -> Result<(usize, Ended)> {
        let (mut ended, mut failed, mut left) = (Ended::Full, None, BATCH);
        let tap = self.tap;
        let queued = self.queue.transmit(&mut |room| {
            if left == 0 {
                ended = Ended::Batch;
                return None;
            }
            left -= 1;
            tap.read(room)
                .unwrap_or_else(|error| {
                    failed = Some(error);
                    None
                })
                .or_else(|| {
                    ended = Ended::Empty;
                    None
                })
        });
        let queued = match queued {
            // The device will not have one of them; those before it have gone.
            Err(error) if error.kind() == ErrorKind::InvalidArgument => {
                log::debug!("{error}");
                self.counts.dropped += 1;
                (BATCH - left - 1, Ended::Batch)
            }
            queued => (queued?, ended),
        };
        self.counts.sent += queued.0 as u64;
        failed.map_or(Ok(queued), |error| Err(gone(&error)))
    }

    /// From the device to the kernel: frames are written from where the device put them.
    fn receive(&mut self) -> Result<usize> {
        let (mut failed, mut dropped) = (None, 0);
        let tap = self.tap;
        let taken = self.queue.receive(BATCH, &mut |frame| match tap.write(frame) {
            Ok(true) => {}
            Ok(false) => dropped += 1,
            Err(error) => failed = Some(error),
        })?;
        self.counts.received += taken as u64 - dropped;
        self.counts.dropped += dropped;
        failed.map_or(Ok(taken), |error| Err(gone(&error)))
    }
}

/// What a failure of the interface means.
fn gone(error: &io::Error) -> Error {
    Error::io(error, "use of the TAP interface").why("the interface is gone, or another program took it away")
}
