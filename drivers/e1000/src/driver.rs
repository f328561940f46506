//! Starting and stopping the chip.

use std::sync::Arc;

use dirql::class::MeterReader;
use dirql::class::net::napi::Schedule;
use dirql::class::net::{self, Filter, HEADER, MTU, Mac, Offloads, QueueCounters};
use dirql::dma::DmaMask;
use dirql::driver::{Driver, Settings};
use dirql::interrupt::{FaultKind, Interrupts, Observer, Vector, VectorStatistics};
use dirql::region::Bar;
use dirql::selftest::Check;
use dirql::synchronize::Completion;
use dirql::{Device, Error, ErrorKind, Result};

use crate::chip::Chip;
use crate::filter::Filters;
use crate::offload::Limits;
use crate::queue::Pair;
use crate::quiesce::{halt, quiesce};
use crate::setup::Setup;
use crate::state::{State, Wake};
use crate::statistics::Accumulator;
use crate::wiring::Wiring;
use crate::{BUFFER, ENTRIES, eeprom, selftest};

/// A started chip.
#[derive(Debug)]
pub struct E1000 {
    pub(crate) chip: &'static Chip,
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
    pub(crate) offloads: Offloads,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) readers: Vec<MeterReader<QueueCounters>>,
    pub(crate) accumulator: Arc<Accumulator>,
    provoked: Completion,
    stopped: bool,
    /// Of what is no queue's.
    pub(crate) vector: Arc<Vector<State>>,
    /// Of the queues, where they have some.
    wakes: Vec<Vector<Wake>>,
    interrupts: Interrupts,
    bar: Bar,
    device: Device,
}

impl E1000 {
    /// Starts the device.
    ///
    /// # Errors
    /// `Precondition` where `settings` ask for what the chip has not, or it is not one of [`crate::chip`]; `Device` where it
    /// does not stop, does not deliver its address or has a damaged one; E9 to E11 where memory or the interrupt is not to be
    /// had.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        let chip = Chip::of(device.config().ids()?)?;
        let net::Settings { wait, queues, mtu, offloads } = settings.net;
        check(chip, queues, mtu)?;
        let bar = device.bar(0)?;
        // Before bus mastering: an earlier process may have left rings at addresses that are now something else.
        quiesce(&bar, chip)?;
        let mac = eeprom::mac(&bar, chip)?;
        device.set_bus_master(true)?;
        let frame = HEADER + mtu as usize;
        let setup = Setup { chip, queues, frame: frame + 4, offloads };
        let mut interrupts = device.interrupts(settings.request().at_most(Wiring::wanted(queues)))?;
        let wiring = Wiring::new(chip, interrupts.mode(), queues, interrupts.count());
        let (dma, limits) = (device.dma(DmaMask::FULL), Limits { offloads, frame });
        let pairs = (0..queues)
            .map(|queue| Pair::new(bar.clone(), &dma, chip, queue, limits, wait, &wiring))
            .collect::<Result<Vec<_>>>()?;
        let schedules: Vec<_> = pairs.iter().map(Pair::schedule).collect();
        listen(&interrupts, schedules.clone());
        let mut wakes = Vec::new();
        for vector in 0..wiring.other() {
            let served = (0..).zip(&schedules).filter(|(queue, _)| wiring.serves(vector, *queue));
            let wake = Wake(served.map(|(_, schedule)| schedule.clone()).collect());
            wakes.push(interrupts.connect(vector, wake, |wake: &mut Wake, _| wake.handle())?);
        }
        let provoked = Completion::new();
        let filters = Filters::new(mac, setup.receive_control());
        let accumulator = Arc::new(Accumulator::new(bar.clone())?);
        let state = State::new(bar.clone(), &wiring, filters, schedules, provoked.clone())?;
        let vector = interrupts.connect(wiring.other(), state, |state: &mut State, _| state.handle())?;
        let readers = pairs.iter().map(Pair::reader).collect();
        let mut e1000 = Self {
            chip,
            mac,
            mtu,
            offloads,
            pairs,
            readers,
            accumulator,
            provoked,
            stopped: false,
            vector: Arc::new(vector),
            wakes,
            interrupts,
            bar,
            device,
        };
        // From here on, dropping stops the chip.
        e1000.pairs.iter_mut().try_for_each(Pair::program)?;
        section(&e1000.vector, |state| {
            setup.apply(&state.bar, &wiring)?;
            state.filters.set(&state.bar, &Filter::default())
        })?;
        Ok(e1000)
    }

    /// Stops the device, once. Every step is taken, whatever the others say.
    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let halted = halt(&self.bar, self.chip);
        let mut disconnected = vec![self.vector.disconnect().map(drop)];
        disconnected.extend(self.wakes.iter().map(|wake| wake.disconnect().map(drop)));
        let disconnected = disconnected.into_iter().collect::<Result<(), _>>().map_err(Error::from);
        let cut_off = self.device.set_bus_master(false);
        // What may still be written stays lent until the device is closed.
        if halted.is_ok() || cut_off.is_ok() {
            self.pairs.iter_mut().for_each(Pair::reclaim);
        }
        halted.and(disconnected).and(cut_off).map_err(|error| error.on(self.device.address()))
    }
}

/// # Errors
/// `Precondition` where the chip cannot do it.
fn check(chip: &Chip, queues: u16, mtu: u32) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::Precondition, "start").why(why));
    if !(1..=chip.queues).contains(&queues) {
        return refuse(format!("{queues} pairs of rings: an {} has 1 to {}", chip.name, chip.queues));
    }
    if !(SHORTEST_MTU..=chip.longest_mtu).contains(&mtu) {
        return refuse(format!(
            "an MTU of {mtu}: an {} does {SHORTEST_MTU} to {}, and {MTU} is usual",
            chip.name, chip.longest_mtu
        ));
    }
    Ok(())
}

/// The shortest that IP allows.
const SHORTEST_MTU: u32 = 68;

/// Has whoever waits told of a handler that went wrong.
fn listen(interrupts: &Interrupts, schedules: Vec<Schedule>) {
    interrupts.on_fault(move |fault| {
        log::error!("e1000: {fault}");
        schedules.iter().for_each(|schedule| match &fault.kind {
            FaultKind::DeliveryFailed(error) => schedule.fail(error.clone()),
            _ => schedule.schedule(),
        });
    });
}

/// Runs `routine` serialized with the handler, unless that has given up.
#[track_caller]
pub(crate) fn section<R>(vector: &Vector<State>, routine: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
    vector.synchronize(|state| match &state.failure {
        Some(failure) => Err(failure.clone()),
        None => routine(state),
    })?
}

impl Driver for E1000 {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.interrupts.observer())
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let (overruns, link) = section(&self.vector, |state| Ok((state.overruns, state.link.report())))?;
        Ok(vec![
            ("chip", self.chip.name.into()),
            ("address", self.mac.to_string()),
            ("link", link.to_string()),
            ("interrupts", self.vector.statistics().mode.to_string()),
            ("pairs of rings", self.pairs.len().to_string()),
            ("receive ring", format!("{ENTRIES} descriptors, buffers of {BUFFER} bytes")),
            ("receive overruns", overruns.to_string()),
            ("transmit ring", format!("{ENTRIES} descriptors, {}", self.pairs[0].describe_buffers())),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        selftest::run(&self.bar, self.chip, &self.vector, &self.provoked)
    }

    fn net(&mut self) -> Option<&mut dyn net::Net> {
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
