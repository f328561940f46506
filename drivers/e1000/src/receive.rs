//! The receive ring: buffers are the chip's until it has put a frame into them, and again once the program has looked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dirql::Result;
use dirql::class::net::{Frame, Incoming};
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;

use crate::descriptor::RxDescriptor;
use crate::register::{RDBAH, RDBAL, RDH, RDLEN, RDT};
use crate::{BUFFER, BURST, ENTRIES};

/// The shortest that can be a frame: its two addresses and its type.
const HEADER: usize = 14;

/// The ring, and what was dropped of what came through it.
#[derive(Debug)]
pub struct Receiver {
    ring: Ring<RxDescriptor, Lent>,
    /// The descriptor before did not end its frame, which is dropped to its end.
    dropping: bool,
    dropped: Arc<AtomicU64>,
    dma: Dma,
    /// What RDT was told last.
    told: u32,
    frames: u64,
    doorbells: u64,
}

impl Receiver {
    /// A ring with as many buffers as it takes: one entry less than there are, because the chip takes head = tail for
    /// a ring without any.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma) -> Result<Self> {
        let mut receiver = Self {
            ring: dma.ring(ENTRIES)?,
            dropping: false,
            dropped: Arc::default(),
            dma: dma.clone(),
            told: 0,
            frames: 0,
            doorbells: 0,
        };
        receiver.fill()?;
        Ok(receiver)
    }

    /// Lends buffers until no more are free. There are some only at first, and after the program's own code panicked over
    /// a frame.
    fn fill(&mut self) -> Result<()> {
        while self.ring.free() > 0 {
            let buffer = self.dma.buffer(BUFFER)?;
            self.give(buffer);
        }
        Ok(())
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
    pub fn program(&mut self, bar: &Bar) -> Result<()> {
        let base = self.ring.iova().0;
        bar.write(RDBAL, base as u32)?;
        bar.write(RDBAH, (base >> 32) as u32)?;
        bar.write(RDLEN, self.ring.byte_len())?;
        bar.write(RDH, 0)?;
        self.told = self.ring.tail();
        bar.write(RDT, self.told)
    }

    /// Whether the chip has put something into the oldest buffer.
    pub fn is_pending(&self) -> bool {
        self.ring.peek(0).is_some_and(|descriptor| descriptor.is_done())
    }

    /// Hands at most `at_most` frames to `take`, and their buffers back to the chip: by one write to RDT for each burst.
    ///
    /// # Errors
    /// Where RDT cannot be written, or a buffer that was lost not be replaced.
    pub fn receive(&mut self, bar: &Bar, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.fill()?;
        let mut taken = 0;
        // A chip that delivers nothing but rubbish does not keep the caller for ever.
        let mut patience = ENTRIES + at_most as u32;
        while taken < at_most && patience > 0 {
            let Some((descriptor, lent)) = self.ring.reclaim_if(RxDescriptor::is_done) else { break };
            patience -= 1;
            let len = self.frame_len(&descriptor, lent.len());
            let buffer = lent.reclaim();
            if let Some(frame) = len.and_then(|len| buffer.bytes().get(..len)) {
                taken += 1;
                take(&Frame::new(&[frame], Incoming::default()));
            }
            self.give(buffer);
            if (patience as usize).is_multiple_of(BURST) {
                self.ring_doorbell(bar)?;
            }
        }
        self.frames += taken as u64;
        self.ring_doorbell(bar).map(|()| taken)
    }

    /// Tells the chip of the buffers that were given back since the last time, if any were.
    fn ring_doorbell(&mut self, bar: &Bar) -> Result<()> {
        let tail = self.ring.tail();
        if tail != self.told {
            bar.write(RDT, tail)?;
            self.told = tail;
            self.doorbells += 1;
        }
        Ok(())
    }

    /// How long the frame in a buffer of `capacity` is: nothing that the chip wrote is believed beyond it.
    fn frame_len(&mut self, descriptor: &RxDescriptor, capacity: usize) -> Option<usize> {
        let begins = !self.dropping;
        self.dropping = !descriptor.ends_frame();
        let len = usize::from(descriptor.length.get());
        let good = descriptor.ends_frame() && !descriptor.is_damaged() && (HEADER..=capacity).contains(&len);
        if begins && !good {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        (begins && good).then_some(len)
    }

    /// Frames that were damaged, longer than a buffer, or described in a way that cannot be.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.dropped.clone()
    }

    /// Frames handed out, and writes to RDT.
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
