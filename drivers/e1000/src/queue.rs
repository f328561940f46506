//! The chip's pair of rings, which are their user's alone: no handler touches them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dirql::Result;
use dirql::class::net::napi::{Napi, Schedule, Source};
use dirql::class::net::{Frame, Interest, Outgoing, Queue, QueueCounters};
use dirql::dma::Dma;
use dirql::interrupt::Wait;
use dirql::region::Bar;

use crate::receive::Receiver;
use crate::register::{ICR, IMC, IMS, INT_RXDMT0, INT_RXO, INT_RXT0, INT_TXDW, STATUS};
use crate::transmit::Transmitter;

/// What the chip interrupts for when frames came.
const RECEIVED: u32 = INT_RXT0 | INT_RXDMT0 | INT_RXO;
/// What it interrupts for when frames have left.
const SENT: u32 = INT_TXDW;

/// A receive and a transmit ring.
#[derive(Debug)]
pub struct Pair {
    bar: Bar,
    receiver: Receiver,
    transmitter: Transmitter,
    napi: Napi,
}

impl Pair {
    /// The rings of a chip that stands still.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(bar: Bar, dma: &Dma, wait: Wait) -> Result<Self> {
        let (receiver, transmitter) = (Receiver::new(dma)?, Transmitter::new(dma)?);
        Ok(Self { bar, receiver, transmitter, napi: Napi::new(wait) })
    }

    /// Tells the chip where the rings are, while it stands still.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&mut self) -> Result<()> {
        self.receiver.program(&self.bar)?;
        self.transmitter.program(&self.bar)
    }

    /// How the interrupt handler tells whoever waits.
    pub fn schedule(&self) -> Schedule {
        self.napi.schedule()
    }

    /// Counts the frames that came in damaged or in a way that cannot be.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.receiver.dropped()
    }

    /// Takes all memory back from the chip, which has been stopped.
    pub fn reclaim(&mut self) {
        self.receiver.reclaim();
        self.transmitter.reclaim();
    }
}

impl Queue for Pair {
    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>) -> Result<usize> {
        self.napi.check()?;
        self.transmitter.transmit(&self.bar, fill)
    }

    fn in_flight(&mut self) -> Result<usize> {
        self.napi.check()?;
        Ok(self.transmitter.reap() as usize)
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.napi.check()?;
        self.receiver.receive(&self.bar, at_most, take)
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> Result<bool> {
        let Self { bar, receiver, transmitter, napi } = self;
        napi.wait(&mut Rings { bar, receiver, transmitter, interest }, timeout)
    }

    fn waker(&self) -> Schedule {
        self.napi.schedule()
    }

    fn counters(&self) -> QueueCounters {
        let (receive_frames, receive_doorbells) = self.receiver.counted();
        let (transmit_frames, transmit_doorbells) = self.transmitter.counted();
        QueueCounters { receive_frames, receive_doorbells, transmit_frames, transmit_doorbells }
    }
}

/// The rings as somebody waits for them.
struct Rings<'a> {
    bar: &'a Bar,
    receiver: &'a Receiver,
    transmitter: &'a Transmitter,
    interest: Interest,
}

impl Rings<'_> {
    fn causes(&self) -> u32 {
        let received = if self.interest.receives() { RECEIVED } else { 0 };
        received | if self.interest.transmits() { SENT } else { 0 }
    }
}

impl Source for Rings<'_> {
    fn is_pending(&mut self) -> bool {
        self.interest.receives() && self.receiver.is_pending()
            || self.interest.transmits() && self.transmitter.is_reported()
    }

    fn arm(&mut self) -> Result<()> {
        // What was raised while nobody listened is for nobody, but for overruns, which are counted.
        self.bar.write(ICR, (RECEIVED | SENT) & !INT_RXO)?;
        self.bar.write(IMS, self.causes())?;
        // They have arrived once something was read, and what the chip wrote before that is visible.
        self.bar.read(STATUS).map(drop)
    }

    fn disarm(&mut self) -> Result<()> {
        self.bar.write(IMC, RECEIVED | SENT)
    }
}
