//! The Intel 82540EM, the e1000 of emulators, as a [`Net`] and in safe Rust.
//!
//! In reading order:
//!
//! - [`register`] and [`descriptor`] are the datasheet's words.
//! - [`quiesce`](mod@quiesce) stops a chip, whoever left it running; [`eeprom`] reads who it is; [`link`] is its
//!   cable.
//! - `receive` and `transmit` are the two rings; `statistics` the counters. Together they are the `state`, which lives
//!   inside the interrupt vector: its handler reads the causes, and all else comes in by
//!   [`Vector::synchronize`](dirql::interrupt::Vector::synchronize).
//! - [`E1000`], here, starts and stops all that. Frames are filled and looked at outside of any section; sections only
//!   move buffers.
//! - `selftest` tries the running chip.
//! - [`model`] is the chip as software, so that all of this is tested without one.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod eeprom;
pub mod link;
pub mod model;
pub mod quiesce;
mod receive;
pub mod register;
mod selftest;
mod state;
mod statistics;
mod transmit;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dirql::class::net::{self, Mac, Net};
use dirql::dma::DmaMask;
use dirql::driver::{Driver, Registration};
use dirql::interrupt::{Best, FaultKind, Interrupts, Vector, VectorStatistics};
use dirql::region::Bar;
use dirql::selftest::Check;
use dirql::synchronize::Completion;
use dirql::{Device, Error, Result};

use self::quiesce::{halt, quiesce};
use self::receive::Received;
use self::state::State;
use self::transmit::Outgoing;

/// Descriptors of each ring; a multiple of 8, so that its length is one of 128 bytes.
const ENTRIES: u32 = 256;
/// Bytes of a buffer, as RCTL says by default: a frame with a tag and its check sequence fits.
const BUFFER: usize = 2048;
/// How many buffers are outside a ring at most.
const BATCH: usize = 64;

/// The driver, for whoever looks for one by a device's ids.
pub const DRIVER: Registration = Registration {
    name: "e1000",
    ids: &[(0x8086, 0x100e)],
    probe: |device| Ok(Box::new(E1000::start(device)?)),
};

/// A started 82540EM.
#[derive(Debug)]
pub struct E1000 {
    mac: Mac,
    /// Buffers that are out of the rings, empty between calls; kept for their memory.
    received: Vec<Received>,
    outgoing: Vec<Outgoing>,
    arrived: Completion,
    provoked: Completion,
    /// Why interrupts do not come any more.
    undelivered: Arc<OnceLock<Error>>,
    stopped: bool,
    vector: Vector<State>,
    interrupts: Interrupts,
    bar: Bar,
    device: Device,
}

impl E1000 {
    /// Starts the device.
    ///
    /// # Errors
    /// `Device` where the chip does not stop, does not deliver its address or has a damaged one; E9 to E11 where
    /// memory or the interrupt is not to be had.
    pub fn start(device: Device) -> Result<Self> {
        let address = device.address();
        Self::try_start(device).map_err(|error| error.on(address))
    }

    fn try_start(device: Device) -> Result<Self> {
        let bar = device.bar(0)?;
        // Before bus mastering: an earlier process may have left rings at addresses that are now something else.
        quiesce(&bar)?;
        let mac = eeprom::mac(&bar)?;
        device.set_bus_master(true)?;
        let (arrived, provoked) = (Completion::new(), Completion::new());
        let state = State::new(bar.clone(), &device.dma(DmaMask::FULL), arrived.clone(), provoked.clone())?;
        let mut interrupts = device.interrupts(Best)?;
        let undelivered = Arc::<OnceLock<Error>>::default();
        let (waiting, told) = (arrived.clone(), undelivered.clone());
        interrupts.on_fault(move |fault| {
            log::error!("e1000: {fault}");
            if let FaultKind::DeliveryFailed(error) = &fault.kind {
                told.get_or_init(|| error.clone());
            }
            waiting.complete();
        });
        let vector = interrupts.connect(0, state, |state: &mut State, _| state.handle())?;
        let e1000 = Self {
            mac,
            received: Vec::with_capacity(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            arrived,
            provoked,
            undelivered,
            stopped: false,
            vector,
            interrupts,
            bar,
            device,
        };
        // From here on, dropping stops the chip.
        section(&e1000.vector, |state| state.start(mac))?;
        Ok(e1000)
    }

    /// Stops the device, once. Every step is taken, whatever the others say.
    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let halted = halt(&self.bar);
        let disconnected = self.vector.disconnect().map_err(Error::from);
        let cut_off = self.device.set_bus_master(false);
        let disconnected = disconnected.map(|state| match state {
            Some(state) if halted.is_ok() || cut_off.is_ok() => state.reclaim(),
            // What may still be written stays lent until the device is closed.
            _ => {}
        });
        halted.and(disconnected).and(cut_off).map_err(|error| error.on(self.device.address()))
    }
}

/// Runs `routine` serialized with the handler, unless that has given up.
#[track_caller]
fn section<R>(vector: &Vector<State>, routine: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
    vector.synchronize(|state| match &state.failure {
        Some(failure) => Err(failure.clone()),
        None => routine(state),
    })?
}

impl Net for E1000 {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn link(&self) -> Result<net::Link> {
        section(&self.vector, |state| Ok(state.link.report()))
    }

    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<usize>) -> Result<usize> {
        let mut queued = 0;
        let mut more = Ok(true);
        while let Ok(true) = more {
            section(&self.vector, |state| {
                state.transmitter.exchange(&mut self.outgoing, BATCH);
                Ok(())
            })?;
            more = Ok(!self.outgoing.is_empty());
            for frame in &mut self.outgoing {
                more = frame.fill(fill);
                match more {
                    Ok(true) => queued += 1,
                    _ => break,
                }
            }
        }
        section(&self.vector, |state| {
            state.transmitter.exchange(&mut self.outgoing, 0);
            state.transmitter.ring_doorbell(&state.bar)
        })?;
        more.map(|_| queued)
    }

    fn in_flight(&mut self) -> Result<usize> {
        section(&self.vector, |state| Ok(state.transmitter.reap() as usize))
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut taken = 0;
        // A chip that delivers nothing but rubbish does not keep the caller for ever.
        let mut patience = ENTRIES as usize;
        loop {
            for received in &mut self.received {
                if taken == at_most {
                    break;
                }
                match received.frame() {
                    Some(frame) => {
                        taken += 1;
                        take(frame);
                    }
                    None => patience = patience.saturating_sub(1),
                }
            }
            let wanted = if patience > 0 { at_most - taken } else { 0 };
            // Some are left where `take` panicked in an earlier call.
            let left = self.received.iter().any(Received::is_pending);
            if left || (wanted == 0 && self.received.is_empty()) {
                return Ok(taken);
            }
            section(&self.vector, |state| state.receiver.exchange(&state.bar, &mut self.received, wanted))?;
            if self.received.is_empty() {
                return Ok(taken);
            }
        }
    }

    fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let arrived = self.arrived.wait_all(timeout);
        if let Some(error) = self.undelivered.get() {
            return Err(error.clone());
        }
        section(&self.vector, |_| Ok(arrived))
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<()> {
        section(&self.vector, |state| state.set_promiscuous(on))
    }

    fn statistics(&mut self) -> Result<net::Statistics> {
        section(&self.vector, |state| {
            let mut sums = state.statistics.read(&state.bar)?;
            sums.receive_errors += state.receiver.dropped();
            Ok(sums)
        })
    }
}

impl Driver for E1000 {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let overruns = section(&self.vector, |state| Ok(state.overruns))?;
        let ring = format!("{ENTRIES} descriptors, buffers of {BUFFER} bytes");
        Ok(vec![
            ("chip", "Intel 82540EM".into()),
            ("address", self.mac.to_string()),
            ("link", self.link()?.to_string()),
            ("interrupts", self.vector.statistics().mode.to_string()),
            ("receive ring", ring.clone()),
            ("receive overruns", overruns.to_string()),
            ("transmit ring", ring),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        selftest::run(&self.bar, &self.vector, &self.provoked)
    }

    fn net(&mut self) -> Option<&mut dyn Net> {
        Some(self)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.shut_down()
    }
}

impl Drop for E1000 {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            log::error!("e1000: stopping on drop: {error}");
        }
    }
}
