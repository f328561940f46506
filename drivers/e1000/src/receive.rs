//! The receive ring: buffers are the chip's until it has put a frame into them.
//!
//! Frames leave in batches. A short section takes finished buffers out of the ring; the program looks at them outside
//! of any section; the next section gives them back and takes more.

use dirql::Result;
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;

use crate::descriptor::RxDescriptor;
use crate::register::{RDBAH, RDBAL, RDH, RDLEN, RDT};
use crate::{BATCH, BUFFER, ENTRIES};

/// The shortest that can be a frame: its two addresses and its type.
const HEADER: usize = 14;

/// A buffer that came out of the ring.
#[derive(Debug)]
pub struct Received {
    buffer: Buffer,
    /// The frame's length, until it was handed out; `None` for what is no whole, good frame.
    len: Option<usize>,
}

impl Received {
    /// There is a frame that was not handed out.
    pub fn is_pending(&self) -> bool {
        self.len.is_some()
    }

    /// The frame, once.
    pub fn frame(&mut self) -> Option<&[u8]> {
        self.buffer.bytes().get(..self.len.take()?)
    }
}

/// The ring, and what was dropped of what came through it.
#[derive(Debug)]
pub struct Receiver {
    ring: Ring<RxDescriptor, Lent>,
    /// The descriptor before did not end its frame, which is dropped to its end.
    dropping: bool,
    dropped: u64,
}

impl Receiver {
    /// A ring with as many buffers as it takes: one entry less than there are, because the chip takes head = tail for
    /// a ring without any.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma) -> Result<Self> {
        let mut receiver = Self { ring: dma.ring(ENTRIES)?, dropping: false, dropped: 0 };
        while receiver.ring.free() > 0 {
            receiver.give(dma.buffer(BUFFER)?);
        }
        Ok(receiver)
    }

    fn give(&mut self, buffer: Buffer) {
        let lent = buffer.lend();
        if let Err(lent) = self.ring.lend(RxDescriptor::offer(lent.iova()), lent) {
            // Never: there are no more buffers than entries. The buffer is not the chip's, so it is freed.
            drop(lent.reclaim());
        }
    }

    /// Tells the chip where the ring is, while it does not receive.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&self, bar: &Bar) -> Result<()> {
        let base = self.ring.iova().0;
        bar.write(RDBAL, base as u32)?;
        bar.write(RDBAH, (base >> 32) as u32)?;
        bar.write(RDLEN, self.ring.byte_len())?;
        bar.write(RDH, 0)?;
        bar.write(RDT, self.ring.tail())
    }

    /// Gives the buffers in `batch` back to the chip, by one write to RDT, and takes at most `wanted` others out.
    ///
    /// # Errors
    /// Where RDT cannot be written.
    pub fn exchange(&mut self, bar: &Bar, batch: &mut Vec<Received>, wanted: usize) -> Result<()> {
        if !batch.is_empty() {
            batch.drain(..).for_each(|received| self.give(received.buffer));
            bar.write(RDT, self.ring.tail())?;
        }
        while batch.len() < wanted.min(BATCH) {
            let Some((descriptor, lent)) = self.ring.reclaim_if(RxDescriptor::is_done) else { break };
            let len = self.frame_len(&descriptor, lent.len());
            batch.push(Received { buffer: lent.reclaim(), len });
        }
        Ok(())
    }

    /// How long the frame in a buffer of `capacity` is: nothing that the chip wrote is believed beyond it.
    fn frame_len(&mut self, descriptor: &RxDescriptor, capacity: usize) -> Option<usize> {
        let begins = !self.dropping;
        self.dropping = !descriptor.ends_frame();
        let len = usize::from(descriptor.length.get());
        let good = descriptor.ends_frame() && !descriptor.is_damaged() && (HEADER..=capacity).contains(&len);
        self.dropped += u64::from(begins && !good);
        (begins && good).then_some(len)
    }

    /// Frames that were damaged, longer than a buffer, or described in a way that cannot be.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes all buffers back from the chip, which has been stopped.
    pub fn reclaim(mut self) {
        for lent in self.ring.reclaim_all() {
            drop(lent.reclaim());
        }
    }
}
