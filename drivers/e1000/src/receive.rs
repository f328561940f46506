//! The receive ring: buffers are the chip's until it has put a frame into them, and again once the program has looked.
//!
//! The chip is told of buffers that it gets back by the [`BURST`], and of fewer than [`FEW`] not yet: it does not miss those,
//! and each write to RDT costs it more than a frame does.

use dirql::Result;
use dirql::class::net::{Frame, HEADER, Incoming, QueueCounters, ReceivedChecksum};
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;

use crate::descriptor::{Layout, Report, RxDescriptor};
use crate::register::{QUEUE, RDBAH, RDBAL, RDH, RDLEN, RDT};
use crate::{BUFFER, BURST, ENTRIES};

/// Buffers that the longest frame of any chip takes.
const MOST_PARTS: usize = 8;

/// Buffers that the chip can do without.
const FEW: usize = 32;

/// The ring, and what was dropped of what came through it.
#[derive(Debug)]
pub struct Receiver {
    ring: Ring<RxDescriptor, Lent>,
    layout: Layout,
    /// Buffers that the longest frame takes.
    most: u32,
    /// The descriptor before did not end its frame, which is dropped to its end.
    dropping: bool,
    dropped: u64,
    dma: Dma,
    /// Bytes from the first queue's registers to this one's.
    registers: u64,
    /// Buffers that the chip was not told of.
    untold: usize,
    frames: u64,
    bytes: u64,
    doorbells: u64,
}

impl Receiver {
    /// A ring with as many buffers as it takes: one entry less than there are, because the chip takes head = tail for
    /// a ring without any. No frame is longer than `longest`.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma, queue: u16, layout: Layout, longest: usize) -> Result<Self> {
        let mut receiver = Self {
            ring: dma.ring(ENTRIES)?,
            layout,
            most: longest.div_ceil(BUFFER).clamp(1, MOST_PARTS) as u32,
            dropping: false,
            dropped: 0,
            dma: dma.clone(),
            registers: QUEUE * u64::from(queue),
            untold: 0,
            frames: 0,
            bytes: 0,
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

    #[inline]
    fn give(&mut self, buffer: Buffer) {
        let lent = buffer.lend();
        match self.ring.lend(RxDescriptor::offer(lent.iova()), lent) {
            Ok(()) => self.untold += 1,
            // Never: there are no more buffers than entries. The buffer is not the chip's, so it is freed.
            Err(lent) => drop(lent.reclaim()),
        }
    }

    /// Tells the chip where the ring is, while it does not receive.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&mut self, bar: &Bar) -> Result<()> {
        let base = self.ring.iova().0;
        let values =
            [(RDBAL, base as u32), (RDBAH, (base >> 32) as u32), (RDLEN, self.ring.byte_len()), (RDH, 0)];
        for (register, value) in values {
            bar.write(register.at(self.registers), value)?;
        }
        self.tell(bar)
    }

    /// Whether there is something to take.
    pub fn is_pending(&self) -> bool {
        self.arrived().is_some()
    }

    /// How many descriptors are to be taken at once: those of a whole frame, or so many that it can be none.
    fn arrived(&self) -> Option<u32> {
        for n in 0..self.most {
            let descriptor = self.ring.peek(n).filter(|descriptor| self.layout.is_done(descriptor))?;
            if self.layout.is_last(&descriptor) {
                return Some(n + 1);
            }
        }
        Some(self.most)
    }

    /// Hands at most `at_most` frames to `take`, and their buffers back to the chip.
    ///
    /// # Errors
    /// Where RDT cannot be written, or a buffer that was lost not be replaced.
    pub fn receive(&mut self, bar: &Bar, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.fill()?;
        let before = self.frames;
        // A chip that delivers nothing but rubbish does not keep the caller for ever.
        let mut patience = ENTRIES as usize + at_most;
        while patience > 0 && self.frames - before < at_most as u64 {
            let layout = self.layout;
            match self.ring.reclaim_if(|descriptor| layout.is_last(descriptor)) {
                Some((descriptor, lent)) => self.take_one(layout.read(&descriptor), lent, take),
                None if !self.take_several(take) => break,
                None => {}
            }
            patience -= 1;
            if self.untold >= BURST {
                self.tell(bar)?;
            }
        }
        if self.untold >= FEW {
            self.tell(bar)?;
        }
        Ok((self.frames - before) as usize)
    }

    /// Hands on what a single buffer has, or the end of what is dropped.
    #[inline]
    fn take_one(&mut self, report: Report, lent: Lent, take: &mut dyn FnMut(&Frame<'_>)) {
        let buffer = lent.reclaim();
        let len = usize::from(report.length);
        let is_dropped = std::mem::take(&mut self.dropping);
        // Nothing that the chip wrote is believed beyond the buffer.
        match buffer.bytes().get(..len) {
            Some(frame) if len >= HEADER && !report.is_damaged() && !is_dropped => {
                self.frames += 1;
                self.bytes += len as u64;
                take(&Frame::new(&[frame], incoming(&report)));
            }
            _ if is_dropped => {}
            _ => self.drop_one(),
        }
        self.give(buffer);
    }

    /// Hands on a frame in several buffers, or drops what is none. False where there is nothing yet.
    #[cold]
    fn take_several(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> bool {
        let Some(count) = self.arrived() else { return false };
        let mut buffers = [const { None }; MOST_PARTS];
        let mut lengths = [0; MOST_PARTS];
        let mut last = None;
        for (buffer, len) in buffers.iter_mut().zip(&mut lengths).take(count as usize) {
            let Some((descriptor, lent)) = self.ring.reclaim_if(|_| true) else { break };
            let report = self.layout.read(&descriptor);
            *len = usize::from(report.length);
            *buffer = Some(lent.reclaim());
            last = Some(report);
        }
        let mut parts: [&[u8]; MOST_PARTS] = [&[]; MOST_PARTS];
        let mut is_inside = true;
        for ((part, buffer), len) in parts.iter_mut().zip(&buffers).zip(lengths) {
            let bytes = buffer.as_ref().and_then(|buffer: &Buffer| buffer.bytes().get(..len));
            is_inside &= buffer.is_none() || bytes.is_some_and(|bytes| !bytes.is_empty());
            *part = bytes.unwrap_or_default();
        }
        let is_rest = self.dropping;
        self.dropping = !last.is_some_and(|report| report.ends_frame());
        let good = last.filter(|report| report.ends_frame() && !report.is_damaged() && is_inside && !is_rest);
        match good {
            Some(report) => {
                let frame = Frame::new(&parts[..count as usize], incoming(&report));
                self.frames += 1;
                self.bytes += frame.len() as u64;
                take(&frame);
            }
            None if is_rest => {}
            None => self.drop_one(),
        }
        buffers.into_iter().flatten().for_each(|buffer| self.give(buffer));
        true
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
    }

    /// Tells the chip of the buffers that were given back since the last time.
    fn tell(&mut self, bar: &Bar) -> Result<()> {
        bar.write(RDT.at(self.registers), self.ring.tail())?;
        self.untold = 0;
        self.doorbells += 1;
        Ok(())
    }

    /// Frames handed out.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Adds what was counted: among what was dropped is what was damaged, longer than the buffers, or described in a way
    /// that cannot be; doorbells are writes to RDT.
    #[inline]
    pub fn count(&self, counters: &mut QueueCounters) {
        counters.receive_frames += self.frames;
        counters.receive_bytes += self.bytes;
        counters.receive_dropped += self.dropped;
        counters.receive_doorbells += self.doorbells;
    }

    /// Takes all buffers back from the chip, which has been stopped.
    pub fn reclaim(&mut self) {
        for lent in self.ring.reclaim_all() {
            drop(lent.reclaim());
        }
    }
}

/// What the chip said of a frame.
#[inline]
fn incoming(report: &Report) -> Incoming {
    let checksum = if report.is_checksum_good() { ReceivedChecksum::Good } else { ReceivedChecksum::Unknown };
    Incoming { vlan: report.vlan(), checksum, segmentation: None }
}
