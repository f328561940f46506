//! Receiving: buffers are the device's until it has put a frame into them, and again once the program has looked.
//!
//! A frame's header lies before it in the same buffer. Where frames may be longer than a buffer, the device says in the
//! header how many it took.

use dirql::class::net::{Frame, HEADER, Incoming, QueueCounters};
use dirql::dma::{Buffer, Dma, Lent};
use dirql::{Address, Error, ErrorKind, Result};

use super::features::{GUEST_CSUM, GUEST_TSO, MRG_RXBUF};
use super::header::{self, LEN};
use super::{BUFFER, BURST, MEMORY, RECEIVE_ENTRIES, TAG};
use crate::queue::{Queue, Segment, Settings};
use crate::transport::Transport;

/// In how many buffers a frame may be: 64 KiB fit.
const PARTS: usize = 36;
/// The longest frame that is joined of segments.
const LONG_FRAME: usize = HEADER + 65535;

/// The queue, and what was dropped of what came through it.
#[derive(Debug)]
pub struct Receiver {
    queue: Queue<Lent>,
    address: Address,
    dma: Dma,
    /// Bytes of a buffer.
    len: usize,
    /// The buffers of a long frame; empty between calls.
    merging: Vec<Buffer>,
    /// Frames may be in several buffers.
    merges: bool,
    /// Headers say something of checksums or segments.
    described: bool,
    frames: u64,
    bytes: u64,
    dropped: u64,
    /// How many buffers it has at most.
    buffers: u16,
}

impl Receiver {
    /// The queue `index`, with as many buffers as it takes.
    ///
    /// # Errors
    /// As [`Queue::new`] and [`Dma::buffer`].
    pub fn new(transport: &Transport, dma: &Dma, index: u16, mtu: u32) -> Result<Self> {
        let features = transport.features();
        let queue = Queue::new(transport, dma, Settings { index, size: RECEIVE_ENTRIES, indirect: 0 })?;
        let merges = features.contains(MRG_RXBUF);
        let joins = features.and(GUEST_TSO) != Default::default();
        let longest = if joins { LONG_FRAME } else { HEADER + mtu as usize + TAG };
        let len = if merges { BUFFER } else { (LEN + longest).max(BUFFER) };
        let buffers = queue.size().min((MEMORY / len).max(2) as u16);
        let mut receiver = Self {
            queue,
            address: transport.address(),
            dma: dma.clone(),
            len,
            merging: Vec::with_capacity(PARTS),
            merges,
            described: features.contains(GUEST_CSUM),
            frames: 0,
            bytes: 0,
            dropped: 0,
            buffers,
        };
        receiver.fill()?;
        Ok(receiver)
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Queue::enable`].
    pub fn enable(&mut self, transport: &Transport, vector: Option<u16>) -> Result<()> {
        self.queue.disarm();
        self.queue.enable(transport, vector)
    }

    /// Tells the device that it has buffers: it works on its queues from now on.
    ///
    /// # Errors
    /// As [`Queue::notify`].
    pub fn notify(&mut self) -> Result<()> {
        self.queue.notify()
    }

    /// Lends buffers until it has all. There are others only at first, and after the program's own code panicked over a
    /// frame.
    #[inline]
    fn fill(&mut self) -> Result<()> {
        while self.queue.outstanding() < self.buffers {
            let buffer = self.dma.buffer(self.len)?;
            self.give(buffer);
            self.queue.publish();
        }
        Ok(())
    }

    #[inline]
    fn give(&mut self, buffer: Buffer) {
        let lent = buffer.lend();
        let segment = Segment { iova: lent.iova(), len: lent.len() as u32 };
        if let Err(lent) = self.queue.add_writable(segment, lent) {
            // Never: there are no more buffers than entries. The buffer is not the device's, so it is freed.
            drop(lent.reclaim());
        }
    }

    /// Hands at most `at_most` frames to `take`, and their buffers back to the device.
    ///
    /// # Errors
    /// `Device` where the device misbehaves; where a buffer that was lost cannot be replaced.
    pub fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.fill()?;
        let mut taken = 0;
        // A device that delivers nothing but rubbish does not keep the caller for ever.
        let mut patience = usize::from(self.buffers) + at_most;
        let outcome = loop {
            if taken >= at_most || patience == 0 {
                break Ok(());
            }
            patience -= 1;
            match self.queue.pop() {
                Ok(Some((lent, written))) => match self.hand_out(lent.reclaim(), written as usize, take) {
                    Ok(good) => taken += usize::from(good),
                    Err(error) => break Err(error),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            if patience.is_multiple_of(BURST) {
                self.queue.publish();
            }
        };
        self.frames += taken as u64;
        self.queue.publish();
        self.queue.notify()?;
        outcome.map(|()| taken)
    }

    /// Hands out the frame that begins in `buffer`, of which so many bytes were written, and gives the buffer back.
    /// False where there is no frame in it that could be one.
    #[inline]
    fn hand_out(&mut self, buffer: Buffer, written: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<bool> {
        // The queue has seen to it that no more was written than the buffer holds.
        let bytes = &buffer.bytes()[..written];
        let good = match bytes.split_first_chunk::<LEN>() {
            Some((header, _)) if self.merges && header::buffers(header) != 1 => {
                return self.hand_out_merged(buffer, written, take);
            }
            Some((header, frame)) if frame.len() >= HEADER => {
                let described = if self.described {
                    header::decode(header, frame.len())
                } else {
                    Some(Incoming::default())
                };
                if let Some(incoming) = described {
                    self.bytes += frame.len() as u64;
                    take(&Frame::new(&[frame], incoming));
                }
                described.is_some()
            }
            _ => false,
        };
        self.dropped += u64::from(!good);
        self.give(buffer);
        Ok(good)
    }

    /// As `hand_out`, of a frame in several buffers.
    fn hand_out_merged(
        &mut self,
        first: Buffer,
        written: usize,
        take: &mut dyn FnMut(&Frame<'_>),
    ) -> Result<bool> {
        let mut merging = std::mem::take(&mut self.merging);
        merging.clear();
        let header = first.bytes().first_chunk::<LEN>().copied().unwrap_or([0; LEN]);
        merging.push(first);
        let count = usize::from(header::buffers(&header));
        let mut lens = [0; PARTS];
        lens[0] = written;
        // A device uses all of a frame's buffers at once (VIRTIO 1.2, 5.1.6.4.1).
        let mut outcome = Ok(());
        for index in 1..count {
            match self.queue.pop() {
                Ok(Some((lent, written))) => {
                    merging.push(lent.reclaim());
                    if let Some(len) = lens.get_mut(index) {
                        *len = written as usize;
                    }
                }
                Ok(None) => {
                    outcome = Err(Error::new(
                        ErrorKind::Device,
                        format!("reception in queue {}", self.queue.index()),
                    )
                    .on(self.address)
                    .why(format!(
                        "the device says that a frame takes {count} buffers, and has used {index}"
                    )));
                    break;
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let mut good = false;
        if outcome.is_ok() && (1..=PARTS).contains(&count) {
            let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
            for (index, ((part, buffer), len)) in parts.iter_mut().zip(&merging).zip(lens).enumerate() {
                let skipped = if index == 0 { LEN } else { 0 };
                *part = buffer.bytes().get(skipped..len).unwrap_or(&[]);
            }
            let len: usize = parts.iter().map(|part| part.len()).sum();
            let described =
                if self.described { header::decode(&header, len) } else { Some(Incoming::default()) };
            if let Some(incoming) = described.filter(|_| len >= HEADER) {
                good = true;
                self.bytes += len as u64;
                take(&Frame::new(&parts[..count], incoming));
            }
        }
        self.dropped += u64::from(!good);
        merging.drain(..).for_each(|buffer| self.give(buffer));
        self.merging = merging;
        outcome.map(|()| good)
    }

    /// Whether the device has put something into a buffer.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.queue.is_pending()
    }

    /// Asks for an interrupt with the next frame, or for none.
    pub fn arm(&mut self, on: bool) {
        match on {
            true => self.queue.arm(1),
            false => self.queue.disarm(),
        }
    }

    /// Frames handed out.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Adds what was counted: dropped is what was described in a way that cannot be.
    #[inline]
    pub fn count(&self, counters: &mut QueueCounters) {
        counters.receive_frames += self.frames;
        counters.receive_bytes += self.bytes;
        counters.receive_dropped += self.dropped;
        counters.receive_doorbells += self.queue.doorbells();
    }

    /// How many buffers there are, and their bytes.
    pub fn buffers(&self) -> (u16, usize) {
        (self.buffers, self.len)
    }

    /// Takes all buffers back from the device, which was reset.
    pub fn reclaim(&mut self) {
        self.queue.reclaim().into_iter().for_each(|lent| drop(lent.reclaim()));
    }
}
