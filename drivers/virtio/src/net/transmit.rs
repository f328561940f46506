//! Transmitting: free buffers are the program's to fill, filled ones the device's until it has sent them.
//!
//! A frame lies in one buffer, with its header before it: one descriptor. Buffers come back in bunches, when there are no
//! others; the one that came back last is used first. A device that is at work is looked at seldom: each look takes the
//! line that it writes to away from it.

use std::hint::black_box;

use dirql::class::net::{HEADER, MIN_FRAME, Offloads, Outgoing, QueueCounters};
use dirql::dma::{Buffer, Dma, Lent};
use dirql::{Error, ErrorKind, Result};

use super::header;
use super::{BURST, ENTRIES, MEMORY, TAG};
use crate::queue::{Queue, Segment, Settings};
use crate::transport::Transport;

/// How long a device at work is left alone by whoever has no buffer left, in turns of a loop: a microsecond at most. It is no
/// loop of `PAUSE`s, at which a hypervisor may take the processor away; QEMU's interpreter waits there for the device itself.
const TURNS: u32 = 1000;
/// The longest frame that can be cut, without its header: as long as IP can say.
const LONG_FRAME: usize = HEADER + 65535;

/// The queue, and the buffers that are not in it.
#[derive(Debug)]
pub struct Transmitter {
    queue: Queue<Lent>,
    free: Vec<Buffer>,
    offloads: Offloads,
    /// The longest frame, of those that are not cut.
    longest: usize,
    /// What a program is offered of a buffer.
    room: usize,
    /// How many buffers are taken back at least where there are no others.
    bunch: u16,
    /// Which vector it has, if any.
    vector: Option<u16>,
    frames: u64,
    bytes: u64,
}

impl Transmitter {
    /// The queue `index`, and buffers for it.
    ///
    /// # Errors
    /// As [`Queue::new`] and [`Dma::buffer`].
    pub fn new(transport: &Transport, dma: &Dma, index: u16, offloads: Offloads, mtu: u32) -> Result<Self> {
        let queue = Queue::new(transport, dma, Settings { index, size: ENTRIES, indirect: 0 })?;
        let longest = HEADER + mtu as usize + TAG;
        let room = if offloads.segmentation { LONG_FRAME.max(longest) } else { longest };
        let len = (header::LEN + room).max(header::LEN + MIN_FRAME).next_power_of_two();
        let count = usize::from(queue.size()).min(MEMORY / len).max(2);
        let free = (0..count).map(|_| dma.buffer(len)).collect::<Result<_>>()?;
        let bunch = (count as u16 / 4).max(1);
        Ok(Self { queue, free, offloads, longest, room, bunch, vector: None, frames: 0, bytes: 0 })
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Queue::enable`].
    pub fn enable(&mut self, transport: &Transport, vector: Option<u16>) -> Result<()> {
        self.vector = vector;
        self.queue.disarm();
        self.queue.enable(transport, vector)
    }

    /// Goes on after the cable was out. Frames that have not left may be given up.
    ///
    /// # Errors
    /// As [`Queue::resume`].
    pub fn resume(&mut self, transport: &Transport) -> Result<()> {
        let unsent = self.queue.resume(transport, self.vector)?;
        self.free.extend(unsent.into_iter().map(Lent::reclaim));
        self.queue.disarm();
        Ok(())
    }

    /// Lets `fill` write frames while there is room, and tells the device of them; gives how many. One that cannot be
    /// sent ends it, after those before it.
    ///
    /// # Errors
    /// `InvalidArgument` for a frame that cannot be sent; `Device` where the device misbehaves.
    pub fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>) -> Result<usize> {
        let mut queued = 0;
        let outcome = loop {
            if self.free.is_empty() {
                if !self.queue.are_pending(self.bunch) {
                    (0..TURNS).for_each(|_| black_box(()));
                    break Ok(());
                }
                if let Err(error) = self.reap() {
                    break Err(error);
                }
            }
            // It stays here while it is filled: the program's own code may panic.
            let Some(buffer) = self.free.last_mut() else { break Ok(()) };
            let bytes = buffer.bytes_mut();
            let Some(frame) = fill(&mut bytes[header::LEN..header::LEN + self.room]) else { break Ok(()) };
            match prepare(bytes, &frame, self.offloads, self.longest) {
                Ok(len) => self.lend(len),
                Err(error) => break Err(error),
            }
            queued += 1;
            // A device that is at work finds them at once.
            if queued % BURST == 0 {
                self.queue.publish();
            }
        };
        self.frames += queued as u64;
        self.queue.publish();
        self.queue.notify()?;
        outcome.map(|()| queued)
    }

    /// Lends the last free buffer, with a frame of `len` bytes.
    #[inline]
    fn lend(&mut self, len: usize) {
        let Some(buffer) = self.free.pop() else { return };
        let lent = buffer.lend();
        let segment = Segment { iova: lent.iova(), len: (header::LEN + len) as u32 };
        if let Err(lent) = self.queue.add_readable(segment, lent) {
            // Never: there are no more buffers than entries.
            return self.free.push(lent.reclaim());
        }
        self.bytes += len as u64;
    }

    /// Takes back what the device is done with, and gives the number of frames that it is not.
    ///
    /// # Errors
    /// As [`Queue::pop`].
    pub fn reap(&mut self) -> Result<usize> {
        while let Some((lent, _)) = self.queue.pop()? {
            self.free.push(lent.reclaim());
        }
        Ok(self.queue.outstanding().into())
    }

    /// Whether frames have left whose buffers were not taken back yet: a bunch of them, where there are no others.
    pub fn is_pending(&self) -> bool {
        if self.free.is_empty() { self.queue.are_pending(self.bunch) } else { self.queue.is_pending() }
    }

    /// Asks for an interrupt with the next that [`Transmitter::is_pending`] tells of, or for none.
    pub fn arm(&mut self, on: bool) {
        match (on, self.free.is_empty()) {
            (true, true) => self.queue.arm(self.bunch),
            (true, false) => self.queue.arm(self.queue.outstanding() / 2),
            (false, _) => self.queue.disarm(),
        }
    }

    /// Adds what was counted.
    #[inline]
    pub fn count(&self, counters: &mut QueueCounters) {
        counters.transmit_frames += self.frames;
        counters.transmit_bytes += self.bytes;
        counters.transmit_doorbells += self.queue.doorbells();
    }

    /// How many entries the queue has.
    pub fn entries(&self) -> u16 {
        self.queue.size()
    }

    /// Takes all buffers back from the device, which was reset.
    pub fn reclaim(&mut self) {
        self.free.extend(self.queue.reclaim().into_iter().map(Lent::reclaim));
    }
}

/// Pads the frame in `bytes`, after the header's place, and writes the header; gives the frame's length.
///
/// # Errors
/// `InvalidArgument` where it is none, too long, or wants what was not agreed on.
#[inline]
fn prepare(bytes: &mut [u8], frame: &Outgoing, offloads: Offloads, longest: usize) -> Result<usize> {
    let len = frame.len;
    let plain = frame.checksum.is_none() && frame.segmentation.is_none() && frame.vlan.is_none();
    if len == 0 || len > longest || !plain {
        check(frame, offloads, longest, bytes.len() - header::LEN)?;
    }
    let padded = if len < MIN_FRAME {
        bytes[header::LEN + len..header::LEN + MIN_FRAME].fill(0);
        MIN_FRAME
    } else {
        len
    };
    // Without offloads it was all zeros from the start.
    if offloads.checksum {
        bytes[..header::LEN].copy_from_slice(&header::encode(frame));
    }
    Ok(padded)
}

#[cold]
fn check(frame: &Outgoing, offloads: Offloads, longest: usize, room: usize) -> Result<()> {
    let refuse =
        |why: String| Err(Error::new(ErrorKind::InvalidArgument, "transmission of a frame").why(why));
    let longest = if frame.segmentation.is_some() { room } else { longest };
    let len = frame.len;
    if len == 0 || len > longest {
        return refuse(format!("a frame of {len} bytes is not between 1 and {longest}"));
    }
    let asked = Offloads {
        checksum: frame.checksum.is_some(),
        segmentation: frame.segmentation.is_some(),
        vlan: frame.vlan.is_some(),
    };
    if asked.checksum && !offloads.checksum || asked.segmentation && !offloads.segmentation || asked.vlan {
        return refuse(format!("it asks for {asked:?}; agreed on is {offloads:?}"));
    }
    let sum_end = frame.checksum.map_or(0, |sum| usize::from(sum.start) + usize::from(sum.offset) + 2);
    if sum_end > len {
        return refuse(format!("its checksum ends at {sum_end}, beyond its {len} bytes"));
    }
    match frame.segmentation {
        Some(cut) if !asked.checksum || cut.size == 0 || usize::from(cut.header) >= len => refuse(format!(
            "it cannot be cut after {} bytes into segments of {}, with checksums: {}",
            cut.header, cut.size, asked.checksum
        )),
        _ => Ok(()),
    }
}
