//! The transmit ring: free buffers are the program's to fill, filled ones the chip's until it has sent them.
//!
//! As with receiving, buffers travel in batches: a section takes free ones out, the program fills them outside, and
//! the next section lends them to the chip. The doorbell, TDT, rings once for all of them.

use dirql::class::net::{MAX_FRAME, MIN_FRAME};
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;
use dirql::{Error, ErrorKind, Result};

use crate::descriptor::TxDescriptor;
use crate::register::{TDBAH, TDBAL, TDH, TDLEN, TDT};
use crate::{BATCH, BUFFER, ENTRIES};

/// What a program is offered of a buffer: the longest frame with a tag.
const ROOM: usize = MAX_FRAME + 4;

/// A buffer that is out of the ring.
#[derive(Debug)]
pub struct Outgoing {
    buffer: Buffer,
    /// Of the frame, padded; 0 while there is none.
    len: u16,
}

impl Outgoing {
    /// Lets `fill` write a frame, and pads it. False where it has none.
    ///
    /// # Errors
    /// `InvalidArgument` where `fill` gives a length of 0 or beyond what it was offered; there is no frame then.
    pub fn fill(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<usize>) -> Result<bool> {
        let room = &mut self.buffer.bytes_mut()[..ROOM];
        let Some(len) = fill(room) else { return Ok(false) };
        if len == 0 || len > ROOM {
            return Err(Error::new(ErrorKind::InvalidArgument, "transmission of a frame")
                .why(format!("a frame of {len} bytes is not between 1 and {ROOM}")));
        }
        let padded = len.max(MIN_FRAME);
        room[len..padded].fill(0);
        self.len = padded as u16;
        Ok(true)
    }
}

/// The ring, and the buffers that are not in it.
#[derive(Debug)]
pub struct Transmitter {
    ring: Ring<TxDescriptor, Lent>,
    free: Vec<Buffer>,
    /// What TDT was told last.
    told: u32,
}

impl Transmitter {
    /// An empty ring, and a buffer for each entry that can be lent.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma) -> Result<Self> {
        let ring: Ring<_, _> = dma.ring(ENTRIES)?;
        let free = (0..ring.free()).map(|_| dma.buffer(BUFFER)).collect::<Result<_>>()?;
        Ok(Self { ring, free, told: 0 })
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

    /// Lends the filled buffers in `batch` to the chip, and takes at most `wanted` free ones out, which is fewer where
    /// the ring is full.
    pub fn exchange(&mut self, batch: &mut Vec<Outgoing>, wanted: usize) {
        for Outgoing { buffer, len } in batch.drain(..) {
            if len == 0 {
                self.free.push(buffer);
                continue;
            }
            let lent = buffer.lend();
            if let Err(lent) = self.ring.lend(TxDescriptor::frame(lent.iova(), len), lent) {
                // Never: there are no more buffers than entries.
                self.free.push(lent.reclaim());
            }
        }
        self.reap();
        let room = wanted.min(BATCH).min(self.free.len());
        let rest = self.free.len() - room;
        batch.extend(self.free.drain(rest..).map(|buffer| Outgoing { buffer, len: 0 }));
    }

    /// Tells the chip of what was lent since the last time, if anything was.
    ///
    /// # Errors
    /// Where TDT cannot be written.
    pub fn ring_doorbell(&mut self, bar: &Bar) -> Result<()> {
        let tail = self.ring.tail();
        if tail != self.told {
            bar.write(TDT, tail)?;
            self.told = tail;
        }
        Ok(())
    }

    /// Takes back what the chip is done with, and gives the number of frames that it is not.
    pub fn reap(&mut self) -> u32 {
        while let Some((_, lent)) = self.ring.reclaim_if(TxDescriptor::is_done) {
            self.free.push(lent.reclaim());
        }
        self.ring.lent()
    }

    /// Takes all buffers back from the chip, which has been stopped.
    pub fn reclaim(mut self) {
        for lent in self.ring.reclaim_all() {
            drop(lent.reclaim());
        }
    }
}
