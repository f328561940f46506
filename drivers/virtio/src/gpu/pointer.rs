//! The cursor queue. It lives in the queue's vector.
//!
//! Nothing is answered to a command of it but that it was done. A cursor moves often, so that interrupts are asked for
//! only where somebody waits.
//!
//! Source: VIRTIO 1.2, 5.7.2 and 5.7.6.10.

use dirql::Result;
use dirql::dma::{Buffer, Dma, Lent};

use super::command::{COMMAND, CursorCommand};
use super::signals::Signals;
use crate::queue::{Queue, Segment, Settings};
use crate::transport::Transport;

/// The queue's number.
pub const INDEX: u16 = 1;
/// Entries at most.
const ENTRIES: u16 = 16;

/// The cursor queue's state.
#[derive(Debug)]
pub struct Pointer {
    queue: Queue<Lent>,
    slots: Vec<Buffer>,
    awaited: bool,
    signals: Signals,
}

impl Pointer {
    /// The queue, in memory.
    ///
    /// # Errors
    /// As [`Queue::new`] and [`Dma::buffer`].
    pub(super) fn new(transport: &Transport, dma: &Dma, signals: Signals) -> Result<Self> {
        let queue = Queue::new(transport, dma, Settings { index: INDEX, size: ENTRIES, indirect: 0 })?;
        let slots = (0..queue.size()).map(|_| dma.buffer(COMMAND)).collect::<Result<_>>()?;
        Ok(Self { queue, slots, awaited: false, signals })
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Queue::enable`].
    pub(super) fn enable(&mut self, transport: &Transport, vector: Option<u16>) -> Result<()> {
        self.queue.disarm();
        self.queue.enable(transport, vector)
    }

    /// How many commands the device has.
    pub fn outstanding(&self) -> u16 {
        self.queue.outstanding()
    }

    /// Gives a command; false where there is no room now. An interrupt tells of its end where somebody `will_wait` for that.
    ///
    /// # Errors
    /// As [`Queue::notify`] and [`Queue::pop`].
    pub(super) fn give(&mut self, command: &CursorCommand, will_wait: bool) -> Result<bool> {
        self.reap()?;
        let Some(mut slot) = self.slots.pop() else { return Ok(false) };
        let len = command.encode(slot.bytes_mut()) as u32;
        let slot = slot.lend();
        let segment = Segment { iova: slot.iova(), len };
        if let Err(slot) = self.queue.add_readable(segment, slot) {
            self.slots.push(slot.reclaim());
            return Ok(false);
        }
        if will_wait {
            self.queue.arm(self.queue.outstanding());
        }
        self.queue.publish();
        self.queue.notify()?;
        Ok(true)
    }

    /// Whether the device is done with all but so many commands. Where it is not, an interrupt tells when it is.
    ///
    /// # Errors
    /// As [`Queue::pop`].
    pub(super) fn is_done(&mut self, but: u16) -> Result<bool> {
        self.reap()?;
        self.awaited = self.queue.outstanding() > but;
        if self.awaited {
            self.queue.arm(self.queue.outstanding() - but);
            // What was done before the interrupt was asked for raises none.
            self.reap()?;
            self.awaited = self.queue.outstanding() > but;
        }
        if !self.awaited {
            self.queue.disarm();
        }
        Ok(!self.awaited)
    }

    /// Takes what the device is done with; false where there is nothing.
    ///
    /// # Errors
    /// As [`Queue::pop`].
    pub fn handle(&mut self) -> Result<bool> {
        let any = self.reap()?;
        if any && std::mem::take(&mut self.awaited) {
            self.signals.pointed.complete();
        }
        Ok(any)
    }

    fn reap(&mut self) -> Result<bool> {
        let mut any = false;
        while let Some((slot, _)) = self.queue.pop()? {
            self.slots.push(slot.reclaim());
            any = true;
        }
        Ok(any)
    }

    /// Takes all memory back from the device, which was stopped.
    pub(super) fn reclaim(&mut self) {
        self.slots.extend(self.queue.reclaim().into_iter().map(Lent::reclaim));
    }
}
