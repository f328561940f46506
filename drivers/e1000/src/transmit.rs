//! The transmit ring: free buffers are the program's to fill, filled ones the chip's until it has sent them.
//!
//! The doorbell, TDT, rings once for all frames of a call. The chip reports each [`BURST`]th frame and the last of a call:
//! a report costs it a write through the IOMMU, and says the same of all frames before it.

use std::collections::VecDeque;

use dirql::class::net::{MAX_FRAME, MIN_FRAME, Offloads, Outgoing};
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;
use dirql::{Error, ErrorKind, Result};

use crate::descriptor::{TX_COMMAND_RS, TxDescriptor};
use crate::register::{TDBAH, TDBAL, TDH, TDLEN, TDT};
use crate::{BUFFER, BURST, ENTRIES};

/// What a program is offered of a buffer: the longest frame with a tag.
const ROOM: usize = MAX_FRAME + 4;

/// The frame that was written into `room`, padded; its length.
///
/// # Errors
/// `InvalidArgument` where it has none, is longer than the room, or wants what the chip was not asked to do.
fn padded(room: &mut [u8], frame: Outgoing) -> Result<u16> {
    let refuse =
        |why: String| Err(Error::new(ErrorKind::InvalidArgument, "transmission of a frame").why(why));
    let len = frame.len;
    if len == 0 || len > room.len() {
        return refuse(format!("a frame of {len} bytes is not between 1 and {}", room.len()));
    }
    if frame != Outgoing::from(len) {
        return refuse(format!("it asks for more than {:?}", Offloads::default()));
    }
    let padded = len.max(MIN_FRAME);
    room[len..padded].fill(0);
    Ok(padded as u16)
}

/// The ring, and the buffers that are not in it.
#[derive(Debug)]
pub struct Transmitter {
    ring: Ring<TxDescriptor, Lent>,
    free: Vec<Buffer>,
    /// How many frames each report that is to come speaks of.
    reports: VecDeque<u32>,
    /// Frames that no report was asked for.
    unreported: u32,
    /// What TDT was told last.
    told: u32,
    frames: u64,
    doorbells: u64,
}

impl Transmitter {
    /// An empty ring, and a buffer for each entry that can be lent.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma) -> Result<Self> {
        let ring: Ring<_, _> = dma.ring(ENTRIES)?;
        let free = (0..ring.free()).map(|_| dma.buffer(BUFFER)).collect::<Result<_>>()?;
        let reports = VecDeque::with_capacity(ENTRIES as usize);
        Ok(Self { ring, free, reports, unreported: 0, told: 0, frames: 0, doorbells: 0 })
    }

    /// Tells the chip where the ring is, while it does not send.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&self, bar: &Bar) -> Result<()> {
        let base = self.ring.iova().0;
        bar.write(TDBAL, base as u32)?;
        bar.write(TDBAH, (base >> 32) as u32)?;
        bar.write(TDLEN, self.ring.byte_len())?;
        bar.write(TDH, 0)?;
        bar.write(TDT, self.told)
    }

    /// Lets `fill` write frames while there is room, and tells the chip of them; gives how many. One that cannot be sent
    /// ends it, after those before it.
    ///
    /// # Errors
    /// As [`padded`]; where TDT cannot be written.
    pub fn transmit(
        &mut self,
        bar: &Bar,
        fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>,
    ) -> Result<usize> {
        let mut queued = 0;
        let outcome = loop {
            if self.free.is_empty() {
                self.reap();
            }
            // It stays here while it is filled: the program's own code may panic.
            let Some(buffer) = self.free.last_mut() else { break Ok(()) };
            let room = &mut buffer.bytes_mut()[..ROOM];
            let Some(frame) = fill(room) else { break Ok(()) };
            match padded(room, frame) {
                Ok(len) => self.lend(len),
                Err(error) => break Err(error),
            }
            queued += 1;
        };
        self.frames += queued as u64;
        self.report();
        self.ring_doorbell(bar)?;
        outcome.map(|()| queued)
    }

    /// Lends the last free buffer, with a frame of `len` bytes.
    fn lend(&mut self, len: u16) {
        let Some(buffer) = self.free.pop() else { return };
        let lent = buffer.lend();
        if let Err(lent) = self.ring.lend(TxDescriptor::frame(lent.iova(), len), lent) {
            // Never: there are no more buffers than entries.
            return self.free.push(lent.reclaim());
        }
        self.unreported += 1;
        if self.unreported as usize >= BURST {
            self.report();
        }
    }

    /// Has the chip report the frame that was lent last.
    fn report(&mut self) {
        if self.unreported > 0 {
            self.ring.amend_last(|descriptor| descriptor.command |= TX_COMMAND_RS);
            self.reports.push_back(std::mem::take(&mut self.unreported));
        }
    }

    /// Tells the chip of what was lent since the last time, if anything was.
    fn ring_doorbell(&mut self, bar: &Bar) -> Result<()> {
        let tail = self.ring.tail();
        if tail != self.told {
            bar.write(TDT, tail)?;
            self.told = tail;
            self.doorbells += 1;
        }
        Ok(())
    }

    /// Whether the chip has reported frames that were not taken back yet.
    pub fn is_reported(&self) -> bool {
        let last = self.reports.front().and_then(|count| self.ring.peek(count - 1));
        last.is_some_and(|descriptor| descriptor.is_done())
    }

    /// Takes back what the chip is done with, and gives the number of frames that it is not.
    pub fn reap(&mut self) -> u32 {
        while self.is_reported() {
            for _ in 0..self.reports.pop_front().unwrap_or(0) {
                let Some((_, lent)) = self.ring.reclaim_if(|_| true) else { break };
                self.free.push(lent.reclaim());
            }
        }
        self.ring.lent()
    }

    /// Frames queued, and writes to TDT.
    pub fn counted(&self) -> (u64, u64) {
        (self.frames, self.doorbells)
    }

    /// Takes all buffers back from the chip, which has been stopped.
    pub fn reclaim(&mut self) {
        for lent in self.ring.reclaim_all() {
            drop(lent.reclaim());
        }
    }
}
