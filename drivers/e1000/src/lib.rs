//! The Intel 82540EM, the e1000 of emulators, as a [`Net`] and in safe Rust.
//!
//! In reading order:
//!
//! - [`register`] and [`descriptor`] are the datasheet's words.
//! - [`quiesce`](mod@quiesce) stops a chip, whoever left it running; [`eeprom`] reads who it is; [`link`] is its
//!   cable.
//! - `receive` and `transmit` are the two rings, a `queue` together, which whoever moves frames has for himself.
//! - `statistics` are the counters. With the link they are the `state`, which lives inside the interrupt vector: its
//!   handler reads the causes, and all else comes in by
//!   [`Vector::synchronize`](dirql::interrupt::Vector::synchronize).
//! - [`E1000`], here, starts and stops all that.
//! - `selftest` tries the running chip.
//! - [`model`] is the chip as software, so that all of this is tested without one.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod eeprom;
pub mod link;
pub mod model;
mod queue;
pub mod quiesce;
mod receive;
pub mod register;
mod selftest;
mod state;
mod statistics;
mod transmit;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dirql::class::net::{self, Filter, MTU, Mac, Net, Offloads, Queue};
use dirql::dma::DmaMask;
use dirql::driver::{Driver, Registration, Settings};
use dirql::interrupt::{FaultKind, Interrupts, Observer, Vector, VectorStatistics};
use dirql::region::Bar;
use dirql::selftest::Check;
use dirql::synchronize::Completion;
use dirql::{Device, Error, ErrorKind, Result};

use self::queue::Pair;
use self::quiesce::{halt, quiesce};
use self::state::State;

/// Descriptors of each ring; a multiple of 8, so that its length is one of 128 bytes.
const ENTRIES: u32 = 256;
/// Bytes of a buffer, as RCTL says by default: a frame with a tag and its check sequence fits.
const BUFFER: usize = 2048;
/// After how many frames the chip is given their buffers again, or asked for a report, within one call.
const BURST: usize = 64;

/// The driver, for whoever looks for one by a device's ids.
pub const DRIVER: Registration = Registration {
    name: "e1000",
    ids: &[(0x8086, 0x100e)],
    probe: |device, settings| Ok(Box::new(E1000::start(device, settings)?)),
};

/// A started 82540EM.
#[derive(Debug)]
pub struct E1000 {
    mac: Mac,
    pair: Pair,
    dropped: Arc<AtomicU64>,
    provoked: Completion,
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
    /// `Precondition` where `settings` ask for what the chip has not; `Device` where it does not stop, does not deliver
    /// its address or has a damaged one; E9 to E11 where memory or the interrupt is not to be had.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        check(&settings.net)?;
        let bar = device.bar(0)?;
        // Before bus mastering: an earlier process may have left rings at addresses that are now something else.
        quiesce(&bar)?;
        let mac = eeprom::mac(&bar)?;
        device.set_bus_master(true)?;
        let pair = Pair::new(bar.clone(), &device.dma(DmaMask::FULL), settings.net.wait)?;
        let provoked = Completion::new();
        let state = State::new(bar.clone(), pair.schedule(), provoked.clone())?;
        let mut interrupts = device.interrupts(settings.request())?;
        let schedule = pair.schedule();
        interrupts.on_fault(move |fault| {
            log::error!("e1000: {fault}");
            match &fault.kind {
                FaultKind::DeliveryFailed(error) => schedule.fail(error.clone()),
                _ => schedule.schedule(),
            }
        });
        let vector = interrupts.connect(0, state, |state: &mut State, _| state.handle())?;
        let dropped = pair.dropped();
        let mut e1000 =
            Self { mac, pair, dropped, provoked, stopped: false, vector, interrupts, bar, device };
        // From here on, dropping stops the chip.
        e1000.pair.program()?;
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
        // What may still be written stays lent until the device is closed.
        if halted.is_ok() || cut_off.is_ok() {
            self.pair.reclaim();
        }
        halted.and(disconnected.map(drop)).and(cut_off).map_err(|error| error.on(self.device.address()))
    }
}

/// # Errors
/// `Precondition` where the chip cannot do it.
fn check(settings: &net::Settings) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Precondition, "start").why(why));
    if settings.queues != 1 {
        return refuse("the chip has one pair of rings");
    }
    if settings.mtu != MTU || settings.offloads != Offloads::default() {
        return refuse("the driver sends and receives frames of an MTU of 1500, as they are");
    }
    Ok(())
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

    fn mtu(&self) -> u32 {
        MTU
    }

    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    fn queue(&mut self) -> &mut dyn Queue {
        &mut self.pair
    }

    fn set_filter(&mut self, filter: &Filter) -> Result<()> {
        if filter.all_multicast || !filter.macs.is_empty() || filter.vlans.is_some() {
            return Err(Error::new(ErrorKind::Precondition, "setting of the filter")
                .on(self.device.address())
                .why("the driver has no filter but for everything"));
        }
        section(&self.vector, |state| state.set_promiscuous(filter.promiscuous))
    }

    fn statistics(&mut self) -> Result<net::Statistics> {
        let mut sums = section(&self.vector, |state| state.statistics.read(&state.bar))?;
        sums.receive_errors += self.dropped.load(Ordering::Relaxed);
        Ok(sums)
    }
}

impl Driver for E1000 {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.interrupts.observer())
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
            // A device that is gone has been stopped by whoever took it.
            let level = if error.is_gone() { log::Level::Debug } else { log::Level::Error };
            log::log!(level, "e1000: stopping on drop: {error}");
        }
    }
}
