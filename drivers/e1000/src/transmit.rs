//! The transmit ring: free buffers are the program's to fill, filled ones the chip's until it has sent them.
//!
//! The doorbell, TDT, rings once for all frames of a call. The chip reports each [`BURST`]th frame and the last of a call:
//! a report costs it a write through the IOMMU, and says the same of all frames before it. What it has reported is taken
//! back first, and filled again first, so that the buffers in use are few, and near.

use std::collections::VecDeque;

use dirql::class::net::{HEADER, Outgoing, QueueCounters};
use dirql::dma::{Buffer, Dma, Lent, Ring};
use dirql::region::Bar;
use dirql::{Iova, Result};

use crate::descriptor::{Context, TxDescriptor};
use crate::offload::{Limits, Request};
use crate::register::{QUEUE, TDBAH, TDBAL, TDH, TDLEN, TDT};
use crate::{BUFFER, BURST, ENTRIES};

/// Bytes that one descriptor is for at most: well below what fits into the chip's memory for frames that go out.
const PIECE: usize = 8192;
/// The longest frame that IP allows, with a tag: what the room is for where the chip cuts segments.
const LONGEST: usize = HEADER + 4 + 65535;
/// Bytes of all buffers of a ring, where they are longer than usual: a user may have 8 MiB of DMA memory.
const MEMORY: usize = 2 << 20;
/// What the length of a buffer is rounded up to, at most.
const PAGE: usize = 4096;

/// What a report of the chip speaks of.
#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    descriptors: u32,
    frames: u32,
}

/// The ring, and the buffers that are not in it.
#[derive(Debug)]
pub struct Transmitter {
    /// A frame's last descriptor has its buffer.
    ring: Ring<TxDescriptor, Option<Lent>>,
    free: Vec<Buffer>,
    limits: Limits,
    /// How many there are of them, with those in the ring.
    buffers: usize,
    /// What a program is offered of a buffer.
    room: usize,
    /// Descriptors that a frame takes at most.
    most: u32,
    /// What each report that is to come speaks of.
    reports: VecDeque<Reported>,
    /// What no report was asked for.
    unreported: Reported,
    /// Frames that were not reported.
    in_flight: u32,
    /// What the chip was told last of checksums.
    context: Option<Context>,
    /// Bytes from the first queue's registers to this one's.
    registers: u64,
    /// What TDT was told last.
    told: u32,
    frames: u64,
    bytes: u64,
    doorbells: u64,
}

impl Transmitter {
    /// An empty ring, and buffers to fill.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(dma: &Dma, queue: u16, limits: Limits) -> Result<Self> {
        let ring: Ring<_, _> = dma.ring(ENTRIES)?;
        let room = if limits.offloads.segmentation { LONGEST } else { limits.frame + 4 };
        let size = room.max(BUFFER);
        let count = (MEMORY / size.next_multiple_of(PAGE)).min(ring.free() as usize);
        let has_context = limits.offloads.checksum || limits.offloads.segmentation;
        Ok(Self {
            ring,
            free: (0..count).map(|_| dma.buffer(size)).collect::<Result<_>>()?,
            limits,
            buffers: count,
            room,
            most: room.div_ceil(PIECE) as u32 + u32::from(has_context),
            reports: VecDeque::with_capacity(ENTRIES as usize),
            unreported: Reported::default(),
            in_flight: 0,
            context: None,
            registers: QUEUE * u64::from(queue),
            told: 0,
            frames: 0,
            bytes: 0,
            doorbells: 0,
        })
    }

    /// Tells the chip where the ring is, while it does not send.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&self, bar: &Bar) -> Result<()> {
        let base = self.ring.iova().0;
        let values = [
            (TDBAL, base as u32),
            (TDBAH, (base >> 32) as u32),
            (TDLEN, self.ring.byte_len()),
            (TDH, 0),
            (TDT, self.told),
        ];
        values.into_iter().try_for_each(|(register, value)| bar.write(register.at(self.registers), value))
    }

    /// Lets `fill` write frames while there is room, and tells the chip of them; gives how many. One that cannot be sent
    /// ends it, after those before it.
    ///
    /// # Errors
    /// As [`Limits::check`]; where TDT cannot be written.
    pub fn transmit(
        &mut self,
        bar: &Bar,
        fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>,
    ) -> Result<usize> {
        let mut queued = 0;
        self.reap();
        let outcome = loop {
            if self.free.is_empty() || self.ring.free() < self.most {
                self.reap();
                if self.ring.free() < self.most {
                    break Ok(());
                }
            }
            // It stays here while it is filled: the program's own code may panic.
            let Some(buffer) = self.free.last_mut() else { break Ok(()) };
            let room = &mut buffer.bytes_mut()[..self.room];
            let Some(frame) = fill(room) else { break Ok(()) };
            match self.limits.check(room, &frame) {
                Ok(request) => self.queue(request, frame.vlan),
                Err(error) => break Err(error),
            }
            queued += 1;
        };
        self.frames += queued as u64;
        self.report();
        let told = self.ring_doorbell(bar);
        outcome.and(told).map(|()| queued)
    }

    /// Lends the last free buffer, with the frame that it has; there is room for its descriptors.
    #[inline]
    fn queue(&mut self, Request { len, context }: Request, tag: Option<u16>) {
        let Some(buffer) = self.free.pop() else { return };
        self.bytes += len as u64;
        let lent = buffer.lend();
        if len <= PIECE && context.is_none() && tag.is_none() {
            let descriptor = TxDescriptor::legacy(lent.iova(), len as u16).last();
            self.lend(descriptor, Some(lent));
        } else {
            self.queue_pieces(lent, len, context, tag);
        }
        self.in_flight += 1;
        self.unreported.frames += 1;
        if self.unreported.frames as usize >= BURST {
            self.report();
        }
    }

    fn queue_pieces(&mut self, lent: Lent, len: usize, context: Option<Context>, tag: Option<u16>) {
        if let Some(context) = context.filter(|_| context != self.context) {
            self.lend(TxDescriptor::context(&context), None);
            self.context = Some(context);
        }
        let start = lent.iova();
        let piece = |at: usize| {
            let (address, length) = (Iova(start.0 + at as u64), PIECE.min(len - at) as u16);
            let descriptor = match &context {
                Some(context) => TxDescriptor::data(address, length, context),
                None => TxDescriptor::legacy(address, length),
            };
            tag.map_or(descriptor, |tag| descriptor.tagged(tag))
        };
        let last = (len - 1) / PIECE * PIECE;
        for at in (0..last).step_by(PIECE) {
            self.lend(piece(at), None);
        }
        self.lend(piece(last).last(), Some(lent));
    }

    #[inline]
    fn lend(&mut self, descriptor: TxDescriptor, lent: Option<Lent>) {
        match self.ring.lend(descriptor, lent) {
            Ok(()) => self.unreported.descriptors += 1,
            // Never: it was seen that there is room.
            Err(lent) => self.free.extend(lent.map(Lent::reclaim)),
        }
    }

    /// Has the chip report what was lent last.
    fn report(&mut self) {
        if self.unreported.descriptors > 0 {
            self.ring.amend_last(|descriptor| *descriptor = descriptor.reported());
            self.reports.push_back(std::mem::take(&mut self.unreported));
        }
    }

    /// Tells the chip of what was lent since the last time, if anything was.
    fn ring_doorbell(&mut self, bar: &Bar) -> Result<()> {
        let tail = self.ring.tail();
        if tail != self.told {
            bar.write(TDT.at(self.registers), tail)?;
            self.told = tail;
            self.doorbells += 1;
        }
        Ok(())
    }

    /// Whether the chip has reported frames that were not taken back yet.
    pub fn is_reported(&self) -> bool {
        let last = self.reports.front().and_then(|reported| self.ring.peek(reported.descriptors - 1));
        last.is_some_and(|descriptor| descriptor.is_done())
    }

    /// Takes back what the chip is done with, and gives the number of frames that it is not.
    pub fn reap(&mut self) -> u32 {
        while self.is_reported() {
            let Reported { descriptors, frames } = self.reports.pop_front().unwrap_or_default();
            for _ in 0..descriptors {
                let Some((_, lent)) = self.ring.reclaim_if(|_| true) else { break };
                self.free.extend(lent.map(Lent::reclaim));
            }
            self.in_flight -= frames;
        }
        self.in_flight
    }

    /// The buffers, in words.
    pub fn describe_buffers(&self) -> String {
        format!("{} buffers of {} bytes", self.buffers, self.room)
    }

    /// Adds what was counted: doorbells are writes to TDT.
    #[inline]
    pub fn count(&self, counters: &mut QueueCounters) {
        counters.transmit_frames += self.frames;
        counters.transmit_bytes += self.bytes;
        counters.transmit_doorbells += self.doorbells;
    }

    /// Takes all buffers back from the chip, which has been stopped.
    pub fn reclaim(&mut self) {
        for lent in self.ring.reclaim_all().into_iter().flatten() {
            drop(lent.reclaim());
        }
    }
}
