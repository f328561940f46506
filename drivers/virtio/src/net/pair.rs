//! A pair of queues, which is its user's alone: no handler touches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dirql::class::net::napi::{Napi, Schedule, Source};
use dirql::class::net::{self, Frame, Interest, Moderation, Offloads, Outgoing, QueueCounters};
use dirql::class::{Meter, MeterReader};
use dirql::dma::Dma;
use dirql::interrupt::Wait;
use dirql::{Error, ErrorKind, Result};

use super::receive::Receiver;
use super::transmit::Transmitter;
use crate::transport::Transport;

/// A receive and a transmit queue.
#[derive(Debug)]
pub struct Pair {
    pub receiver: Receiver,
    pub transmitter: Transmitter,
    transport: Transport,
    napi: Napi,
    moderation: Moderation,
    /// Whoever waits never sleeps, and so hears of nothing but by asking.
    polls: bool,
    /// How often the cable came back, and how often that was heeded.
    returns: Arc<AtomicU64>,
    heeded: u64,
    /// What others see of the counters.
    meter: Meter<QueueCounters>,
}

impl Pair {
    /// The pair `number` of a device that was reset.
    ///
    /// # Errors
    /// As [`crate::queue::Queue::new`] and [`Dma::buffer`].
    pub fn new(
        transport: &Transport,
        dma: &Dma,
        number: u16,
        made: (Offloads, u32),
        wait: Wait,
        returns: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let (offloads, mtu) = made;
        Ok(Self {
            receiver: Receiver::new(transport, dma, 2 * number, mtu)?,
            transmitter: Transmitter::new(transport, dma, 2 * number + 1, offloads, mtu)?,
            transport: transport.clone(),
            napi: Napi::new(wait),
            moderation: Moderation::default(),
            polls: wait == Wait::Poll,
            returns: returns.clone(),
            heeded: 0,
            meter: Meter::default(),
        })
    }

    /// Tells the device of the queues, with the vectors of either.
    ///
    /// # Errors
    /// As [`crate::queue::Queue::enable`].
    pub fn enable(&mut self, transport: &Transport, vectors: [Option<u16>; 2]) -> Result<()> {
        self.receiver.enable(transport, vectors[0])?;
        self.transmitter.enable(transport, vectors[1])
    }

    /// Tells the device that it has buffers: it works on its queues from now on.
    ///
    /// # Errors
    /// As [`crate::queue::Queue::notify`].
    pub fn begin(&mut self) -> Result<()> {
        self.receiver.notify()?;
        self.meter.set(&net::Queue::counters(self));
        Ok(())
    }

    /// How an interrupt handler tells whoever waits.
    pub fn schedule(&self) -> Schedule {
        self.napi.schedule()
    }

    /// Nothing, unless the device has failed. Has it go on transmitting where its cable was out.
    #[inline]
    fn check(&mut self) -> Result<()> {
        self.napi.check()?;
        let returns = self.returns.load(Ordering::Acquire);
        if std::mem::replace(&mut self.heeded, returns) == returns {
            return Ok(());
        }
        self.transmitter.resume(&self.transport)
    }

    /// What was counted, as it was after the last burst.
    pub fn reader(&self) -> MeterReader<QueueCounters> {
        self.meter.reader()
    }

    /// Takes all memory back from the device, which was reset.
    pub fn reclaim(&mut self) {
        self.receiver.reclaim();
        self.transmitter.reclaim();
    }
}

impl net::Queue for Pair {
    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>) -> Result<usize> {
        self.check()?;
        let sent = self.transmitter.transmit(fill);
        self.meter.set(&self.counters());
        sent
    }

    fn in_flight(&mut self) -> Result<usize> {
        self.check()?;
        self.transmitter.reap()
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.napi.check()?;
        let received = self.receiver.receive(at_most, take);
        self.meter.set(&self.counters());
        received
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> Result<bool> {
        let Self { receiver, transmitter, transport, napi, moderation, polls, .. } = self;
        let polls = *polls;
        napi.wait(&mut Queues { receiver, transmitter, transport, moderation, polls, interest }, timeout)
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

/// The queues as somebody waits for them.
struct Queues<'a> {
    receiver: &'a mut Receiver,
    transmitter: &'a mut Transmitter,
    transport: &'a Transport,
    moderation: &'a mut Moderation,
    polls: bool,
    interest: Interest,
}

impl Source for Queues<'_> {
    fn is_pending(&mut self) -> bool {
        self.interest.receives() && self.receiver.is_pending()
            || self.interest.transmits() && self.transmitter.is_pending()
    }

    fn rest(&mut self) -> Duration {
        self.moderation.rest(self.receiver.frames())
    }

    fn arm(&mut self) -> Result<()> {
        self.moderation.end();
        if self.interest.receives() {
            self.receiver.arm(true);
        }
        if self.interest.transmits() {
            self.transmitter.arm(true);
        }
        Ok(())
    }

    fn disarm(&mut self) -> Result<()> {
        self.receiver.arm(false);
        self.transmitter.arm(false);
        if self.polls && self.transport.needs_reset()? {
            return Err(Error::new(ErrorKind::Device, "wait for frames")
                .on(self.transport.address())
                .why("register device_status says DEVICE_NEEDS_RESET"));
        }
        Ok(())
    }
}
