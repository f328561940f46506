//! A pair of rings, which is its user's alone: no handler touches it.

use std::time::Duration;

use dirql::Result;
use dirql::class::net::napi::{Napi, Schedule, Source};
use dirql::class::net::{Frame, Interest, Moderation, Outgoing, Queue, QueueCounters};
use dirql::class::{Meter, MeterReader};
use dirql::dma::Dma;
use dirql::interrupt::Wait;
use dirql::region::Bar;

use crate::chip::Chip;
use crate::offload::Limits;
use crate::receive::Receiver;
use crate::register::{ICR, IMC, IMS, INT_RXO, STATUS};
use crate::transmit::Transmitter;
use crate::wiring::{Causes, Wiring};

/// A receive and a transmit ring.
#[derive(Debug)]
pub struct Pair {
    bar: Bar,
    receiver: Receiver,
    transmitter: Transmitter,
    napi: Napi,
    causes: Option<Causes>,
    moderation: Moderation,
    /// What others see of the counters.
    meter: Meter<QueueCounters>,
}

impl Pair {
    /// The rings number `queue` of a chip that stands still.
    ///
    /// # Errors
    /// As [`Dma::buffer`].
    pub fn new(
        bar: Bar,
        dma: &Dma,
        chip: &Chip,
        queue: u16,
        limits: Limits,
        wait: Wait,
        wiring: &Wiring,
    ) -> Result<Self> {
        let receiver = Receiver::new(dma, queue, chip.layout, limits.frame + 4)?;
        let transmitter = Transmitter::new(dma, queue, limits)?;
        let (napi, causes) = (Napi::new(wait), wiring.causes(queue));
        let (moderation, meter) = (Moderation::default(), Meter::default());
        Ok(Self { bar, receiver, transmitter, napi, causes, moderation, meter })
    }

    /// Tells the chip where the rings are, while it stands still.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn program(&mut self) -> Result<()> {
        self.receiver.program(&self.bar)?;
        self.transmitter.program(&self.bar)?;
        self.meter.set(&self.counters());
        Ok(())
    }

    /// How the interrupt handler tells whoever waits.
    pub fn schedule(&self) -> Schedule {
        self.napi.schedule()
    }

    /// What was counted, as it was after the last burst.
    pub fn reader(&self) -> MeterReader<QueueCounters> {
        self.meter.reader()
    }

    /// The transmit buffers, in words.
    pub fn describe_buffers(&self) -> String {
        self.transmitter.describe_buffers()
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
        let sent = self.transmitter.transmit(&self.bar, fill);
        self.meter.set(&self.counters());
        sent
    }

    fn in_flight(&mut self) -> Result<usize> {
        self.napi.check()?;
        Ok(self.transmitter.reap() as usize)
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.napi.check()?;
        let received = self.receiver.receive(&self.bar, at_most, take);
        self.meter.set(&self.counters());
        received
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> Result<bool> {
        let Self { bar, receiver, transmitter, napi, causes, moderation, .. } = self;
        let mut rings = Rings { bar, receiver, transmitter, interest, causes: *causes, moderation };
        napi.wait(&mut rings, timeout)
    }

    fn waker(&self) -> Schedule {
        self.napi.schedule()
    }

    fn counters(&self) -> QueueCounters {
        let mut counters = QueueCounters::default();
        self.receiver.count(&mut counters);
        self.transmitter.count(&mut counters);
        counters
    }
}

/// The rings as somebody waits for them.
struct Rings<'a> {
    bar: &'a Bar,
    receiver: &'a Receiver,
    transmitter: &'a Transmitter,
    interest: Interest,
    causes: Option<Causes>,
    moderation: &'a mut Moderation,
}

impl Source for Rings<'_> {
    fn is_pending(&mut self) -> bool {
        self.interest.receives() && self.receiver.is_pending()
            || self.interest.transmits() && self.transmitter.is_reported()
    }

    fn rest(&mut self) -> Duration {
        self.moderation.rest(self.receiver.frames())
    }

    fn arm(&mut self) -> Result<()> {
        self.moderation.end();
        if let Some(Causes { received, sent }) = self.causes {
            // What was raised while nobody listened is for nobody, but for overruns, which are counted.
            self.bar.write(ICR, (received | sent) & !INT_RXO)?;
            let wanted = if self.interest.receives() { received } else { 0 };
            self.bar.write(IMS, wanted | if self.interest.transmits() { sent } else { 0 })?;
        }
        // They have arrived once something was read, and what the chip wrote before that is visible.
        self.bar.read(STATUS).map(drop)
    }

    fn disarm(&mut self) -> Result<()> {
        match self.causes {
            Some(Causes { received, sent }) => self.bar.write(IMC, received | sent),
            None => Ok(()),
        }
    }
}
