//! The virtio entropy device, as a [`Random`]: what a device type takes on this core. It has a queue, an interrupt that says
//! that a buffer was filled, and a face.
//!
//! Source: VIRTIO 1.2, 5.4.

use std::ops::Range;
use std::time::{Duration, Instant};

use dirql::class::random::{Random, RandomCounters};
use dirql::class::{Meter, MeterReader};
use dirql::dma::{Buffer, DmaMask, Lent};
use dirql::driver::{Driver, Registration, Settings};
use dirql::interrupt::{Handled, Interrupts, Mode, Observer, Vector, VectorStatistics};
use dirql::selftest::Check;
use dirql::synchronize::Completion;
use dirql::{Device, Error, ErrorKind, Result};

use crate::queue::{self, Queue, Segment};
use crate::transport::Transport;
use crate::transport::register::ISR_QUEUE;
use crate::{Features, lifecycle};

/// Bytes that are asked for at a time.
const BUFFER: usize = 4096;
/// How often whoever waits looks whether the device still works.
const LOOK: Duration = Duration::from_secs(1);

/// The driver, for whoever looks for one by a device's ids; the second one is that of devices that can also be driven the
/// way of before version 1.
pub const DRIVER: Registration = Registration {
    name: "virtio-rng",
    ids: &[(0x1af4, 0x1044), (0x1af4, 0x1005)],
    probe: |device, settings| Ok(Box::new(VirtioRng::start(device, settings)?)),
};

/// A started entropy device.
#[derive(Debug)]
pub struct VirtioRng {
    queue: Queue<Lent>,
    /// The buffer, and what in it nobody has taken yet; `None` while the device has it.
    arrived: Option<(Buffer, Range<usize>)>,
    filled: Completion,
    counters: RandomCounters,
    meter: Meter<RandomCounters>,
    stopped: bool,
    vector: Vector<State>,
    interrupts: Interrupts,
    transport: Transport,
    device: Device,
}

/// What the vector owns.
#[derive(Debug)]
struct State {
    transport: Transport,
    mode: Mode,
    filled: Completion,
}

impl State {
    fn handle(&mut self) -> Result<Handled> {
        if self.transport.causes(self.mode)? & ISR_QUEUE == 0 {
            return Ok(Handled::No);
        }
        self.filled.complete();
        Ok(Handled::Yes)
    }
}

impl VirtioRng {
    /// Starts the device.
    ///
    /// # Errors
    /// `Precondition` where `settings` ask for MSI, where it is a legacy device or (E15) does not offer ACCESS_PLATFORM;
    /// `Device` where it misbehaves; E9 to E11 where memory or interrupts are not to be had.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        lifecycle::check(settings)?;
        let mut transport = Transport::open(&device)?;
        transport.negotiate(Features::default())?;
        device.set_bus_master(true)?;
        let dma = device.dma(DmaMask::FULL);
        let queue = Queue::new(&transport, &dma, queue::Settings { index: 0, size: 2, indirect: 0 })?;
        let arrived = Some((dma.buffer(BUFFER)?, 0..0));
        let (mut interrupts, plan) = lifecycle::interrupts(&device, settings, &transport, 1, 1)?;
        let number = plan.and_then(|plan| plan.queues.first().copied());
        let filled = Completion::new();
        let told = filled.clone();
        lifecycle::report_faults(&interrupts, DRIVER.name, move |_| told.complete());
        let state = State {
            transport: transport.clone(),
            mode: interrupts.mode().unwrap_or(Mode::Intx),
            filled: filled.clone(),
        };
        let vector = interrupts.connect(number.unwrap_or(0), state, |state: &mut State, _| state.handle())?;
        let (counters, meter, stopped) = Default::default();
        let mut started =
            Self { queue, arrived, filled, counters, meter, stopped, vector, interrupts, transport, device };
        // From here on, dropping stops the device.
        started.queue.enable(&started.transport, number)?;
        started.transport.ready()?;
        Ok(started)
    }

    /// Has the device fill the buffer, or the beginning of it.
    fn request(&mut self, buffer: Buffer, len: usize) -> Result<()> {
        let lent = buffer.lend();
        let segment = Segment { iova: lent.iova(), len: len.min(BUFFER) as u32 };
        self.queue
            .add_writable(segment, lent)
            .map_err(|_| self.error("its queue has no room for a buffer"))?;
        // Before the device can be done with it.
        self.queue.arm(1);
        self.queue.publish();
        self.queue.notify()
    }

    /// Waits for what the device was asked for. False where `timeout` went by.
    fn arrive(&mut self, timeout: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            if let Some((lent, written)) = self.queue.pop()? {
                self.arrived = Some((lent.reclaim(), 0..written as usize));
                return if written > 0 { Ok(true) } else { Err(self.error("it gave a buffer back empty")) };
            }
            if self.transport.needs_reset()? {
                return Err(self.error("the device needs a reset"));
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.filled.wait_all(left.min(LOOK));
        }
    }

    fn error(&self, why: &str) -> Error {
        Error::new(ErrorKind::Device, "reading of entropy").on(self.device.address()).why(why)
    }

    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let disconnect = || lifecycle::disconnect([&self.vector]);
        let (quiet, _states, stopped) = lifecycle::stop(&self.device, &self.transport, disconnect);
        // What may still be written stays lent until the device is closed.
        if quiet.is_some() {
            self.queue.reclaim().into_iter().for_each(|lent| drop(lent.reclaim()));
        }
        stopped
    }
}

impl Random for VirtioRng {
    fn fill(&mut self, bytes: &mut [u8], timeout: Duration) -> Result<usize> {
        let (start, mut done) = (Instant::now(), 0);
        while let room @ 1.. = bytes.len() - done {
            match self.arrived.take() {
                Some((buffer, arrived)) if arrived.is_empty() => self.request(buffer, room)?,
                Some((buffer, arrived)) => {
                    let (now, later) = (arrived.start, arrived.end.min(arrived.start + room));
                    bytes[done..][..later - now].copy_from_slice(&buffer.bytes()[now..later]);
                    done += later - now;
                    self.arrived = Some((buffer, later..arrived.end));
                }
                None if self.arrive(timeout.saturating_sub(start.elapsed()))? => {}
                None => break,
            }
        }
        self.counters.reads += 1;
        self.counters.bytes += done as u64;
        self.meter.set(&self.counters);
        Ok(done)
    }

    fn meters(&self) -> Option<MeterReader<RandomCounters>> {
        Some(self.meter.reader())
    }
}

impl Driver for VirtioRng {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.interrupts.observer())
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("device", "virtio entropy device".into()),
            ("features", self.transport.features().to_string()),
            ("interrupts", self.vector.statistics().mode.to_string()),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        let mut bytes = [0; 64];
        let seen = self.fill(&mut bytes, LOOK).and_then(|len| match len {
            64 if bytes != [0; 64] => Ok("64 bytes, not all of them 0".into()),
            _ => Err(self.error(&format!("{len} bytes of 64 within {LOOK:?}: {bytes:02x?}"))),
        });
        vec![Check::of("entropy", seen)]
    }

    fn random(&mut self) -> Option<&mut dyn Random> {
        Some(self)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.shut_down()
    }
}

impl Drop for VirtioRng {
    fn drop(&mut self) {
        lifecycle::dropped(DRIVER.name, self.shut_down());
    }
}
