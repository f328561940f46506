//! The virtio network device, as a [`Net`].
//!
//! In reading order: `features` says what is asked for, `agreement` what comes of it, `config` what the device says of
//! itself, `header`
//! what stands before a frame; `receive` and `transmit` are the two queues, a `pair` together; `control` gives commands
//! and `filter` has some to give; `state` is what the interrupt handlers own; [`VirtioNet`], here, starts and stops all
//! that.
//!
//! Source: VIRTIO 1.2, 5.1.

mod agreement;
mod config;
mod control;
mod features;
mod filter;
mod header;
mod observer;
mod pair;
mod receive;
mod selftest;
mod state;
mod transmit;

use std::sync::Arc;

use dirql::class::net::{self, Filter, Link, Mac, Net, NetObserver, Offloads};
use dirql::dma::DmaMask;
use dirql::driver::{Driver, Registration, Settings};
use dirql::interrupt::{Interrupts, Mode, Observer, Vector, VectorStatistics};
use dirql::selftest::Check;
use dirql::{Device, Error, ErrorKind, Result};

use self::config::DeviceFacts;
use self::control::{Control, MQ_VQ_PAIRS_SET};
use self::filter::Filters;
use self::pair::Pair;
use self::state::State;
use crate::transport::Transport;
use crate::transport::vectors::Plan;
use crate::{Features, lifecycle};

/// Entries of a transmit queue at most.
const ENTRIES: u16 = 256;
/// Entries of a receive queue at most.
const RECEIVE_ENTRIES: u16 = 1024;
/// Bytes of a receive buffer, unless a frame must fit that is longer.
const BUFFER: usize = 2048;
/// Bytes of a queue's buffers at most.
const MEMORY: usize = 4 << 20;
/// Bytes of a VLAN tag in a frame.
const TAG: usize = 4;
/// What a vector says that does not tell of the link.
const NO_LINK: Link = Link { up: false, speed: 0, full_duplex: false, changes: 0 };
/// After how many frames the device is given more within one call.
const BURST: usize = 32;

/// The driver, for whoever looks for one by a device's ids. The second one is that of devices that can also be driven the
/// way of before version 1, which this driver does not.
pub const DRIVER: Registration = Registration {
    name: "virtio-net",
    ids: &[(0x1af4, 0x1041), (0x1af4, 0x1000)],
    probe: |device, settings| Ok(Box::new(VirtioNet::start(device, settings)?)),
};

/// A started network device.
#[derive(Debug)]
pub struct VirtioNet {
    mac: Mac,
    mtu: u32,
    offloads: Offloads,
    first: Pair,
    others: Vec<Pair>,
    control: Option<Control>,
    filters: Filters,
    all_multicast: bool,
    stopped: bool,
    /// The first one has the link.
    vector: Arc<Vector<State>>,
    more: Vec<Vector<State>>,
    interrupts: Interrupts,
    transport: Transport,
    device: Device,
}

impl VirtioNet {
    /// Starts the device.
    ///
    /// # Errors
    /// `Precondition` where `settings` ask for what the device has not, where it is a legacy one or (E15) does not offer
    /// ACCESS_PLATFORM; `Device` where it misbehaves; E9 to E11 where memory or interrupts are not to be had.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        lifecycle::check(settings)?;
        // Opening resets it: an earlier process may have left queues at addresses that are now something else.
        let mut transport = Transport::open(&device)?;
        let one_buffer = BUFFER - header::LEN - net::HEADER - TAG;
        let wanted = features::wanted(transport.offered()?, &settings.net, one_buffer);
        let features = transport.negotiate(wanted)?;
        let facts = DeviceFacts::read(&transport)?;
        let agreed = agreement::agreed(features, &facts, &settings.net)?;
        device.set_bus_master(true)?;

        let dma = device.dma(DmaMask::FULL);
        let returns = Arc::default();
        let pair = |number| Pair::new(&transport, &dma, number, agreed, settings.net.wait, &returns);
        let first = pair(0)?;
        let others = (1..settings.net.queues).map(pair).collect::<Result<Vec<_>>>()?;
        let index = if features.contains(features::MQ) { 2 * facts.pairs } else { 2 };
        let has_control = features.contains(features::CTRL_VQ);
        let control = has_control.then(|| Control::new(&transport, &dma, index)).transpose()?;

        let queues = settings.net.queues.saturating_mul(2);
        let (mut interrupts, plan) =
            lifecycle::interrupts(&device, settings, &transport, queues, queues.saturating_add(1))?;
        let pairs: Vec<&Pair> = std::iter::once(&first).chain(&others).collect();
        let all: Vec<_> = pairs.iter().map(|pair| pair.schedule()).collect();
        let told = all.clone();
        lifecycle::report_faults(&interrupts, DRIVER.name, move |error| match error {
            Some(error) => told.iter().for_each(|pair| pair.fail(error.clone())),
            None => told.iter().for_each(|pair| pair.schedule()),
        });
        let mode = interrupts.mode().unwrap_or(Mode::Intx);
        let mut connect = |vector: u16| {
            let is_its =
                |queue: u16| plan.as_ref().is_none_or(|plan| plan.queues[usize::from(queue)] == vector);
            let numbered =
                (0..).zip(&pairs).filter(|&(number, _)| is_its(2 * number) || is_its(2 * number + 1));
            let queues = numbered.map(|(_, pair)| pair.schedule()).collect();
            let state =
                State::new(transport.clone(), mode, vector == 0, returns.clone(), queues, all.clone())?;
            interrupts.connect(vector, state, |state: &mut State, _| state.handle())
        };
        let vector = connect(0)?;
        let more = (1..plan.as_ref().map_or(1, Plan::vectors)).map(&mut connect).collect::<Result<_>>()?;
        let (offloads, mtu) = agreed;
        let mut started = Self {
            mac: facts.mac,
            mtu,
            offloads,
            first,
            others,
            control,
            filters: Filters::new(features),
            all_multicast: false,
            stopped: false,
            vector: Arc::new(vector),
            more,
            interrupts,
            transport,
            device,
        };
        // From here on, dropping stops the device.
        started.run(plan.as_ref())?;
        Ok(started)
    }

    /// Sets the device going.
    fn run(&mut self, plan: Option<&Plan>) -> Result<()> {
        self.transport.assign_config(plan.map(|plan| plan.config))?;
        let transport = self.transport.clone();
        for (number, pair) in (0..).zip(std::iter::once(&mut self.first).chain(&mut self.others)) {
            let vector = |queue: usize| plan.and_then(|plan| plan.queues.get(queue).copied());
            pair.enable(&transport, [vector(2 * number), vector(2 * number + 1)])?;
        }
        if let Some(control) = &mut self.control {
            control.enable(&transport)?;
        }
        self.transport.ready()?;
        for pair in std::iter::once(&mut self.first).chain(&mut self.others) {
            pair.begin()?;
        }
        // A change of the link before now raised no interrupt.
        section(&self.vector, State::look_closely)?;
        let pairs = 1 + self.others.len() as u16;
        if let Some(control) = &mut self.control {
            if pairs > 1 {
                control.command(MQ_VQ_PAIRS_SET, &pairs.to_le_bytes())?;
            }
            if transport.features().contains(features::CTRL_RX) {
                self.filters.set(control, &Filter::default())?;
            }
        }
        Ok(())
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Stops the device, once. Every step is taken, whatever the others say.
    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let vectors = std::iter::once(&*self.vector).chain(&self.more);
        let disconnect = || lifecycle::disconnect(vectors);
        let (quiet, _states, stopped) = lifecycle::stop(&self.device, &self.transport, disconnect);
        // What may still be written stays lent until the device is closed.
        if quiet.is_some() {
            std::iter::once(&mut self.first).chain(&mut self.others).for_each(Pair::reclaim);
            self.control.iter_mut().for_each(Control::reclaim);
        }
        stopped
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

impl Net for VirtioNet {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn mtu(&self) -> u32 {
        self.mtu
    }

    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn link(&self) -> Result<Link> {
        section(&self.vector, |state| Ok(state.link().unwrap_or(NO_LINK)))
    }

    fn queue(&mut self) -> &mut dyn net::Queue {
        &mut self.first
    }

    fn queues(&mut self) -> Vec<&mut dyn net::Queue> {
        std::iter::once(&mut self.first)
            .chain(&mut self.others)
            .map(|pair| pair as &mut dyn net::Queue)
            .collect()
    }

    fn set_filter(&mut self, filter: &Filter) -> Result<()> {
        let address = self.device.address();
        let control = self.control.as_mut().ok_or_else(|| {
            Error::new(ErrorKind::Precondition, "setting of the filter")
                .on(address)
                .why("the device offers no control queue: everything comes in")
        })?;
        self.filters.set(control, filter).map_err(|error| error.on(address))?;
        self.all_multicast = filter.all_multicast;
        Ok(())
    }

    /// Counted by the driver: the device has no counters. What it had no buffer for it does not tell.
    fn statistics(&mut self) -> Result<net::Statistics> {
        Ok(observer::sums(self.pairs().map(net::Queue::counters)))
    }

    fn meters(&self) -> Option<NetObserver> {
        Some(observer::of(&self.vector, self.pairs().map(Pair::reader).collect()))
    }
}

impl Driver for VirtioNet {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.interrupts.observer())
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let features = self.transport.features();
        let layout = if features.contains(Features::RING_PACKED) { "packed" } else { "split" };
        let link = self.link()?;
        let (buffers, bytes) = self.first.receiver.buffers();
        let link = match link.speed {
            0 if link.up => "up".into(),
            _ => link.to_string(),
        };
        Ok(vec![
            ("device", "virtio network device".into()),
            ("address", self.mac.to_string()),
            ("link", link),
            ("MTU", self.mtu.to_string()),
            ("features", features.to_string()),
            ("interrupts", self.vector.statistics().mode.to_string()),
            ("vectors", (1 + self.more.len()).to_string()),
            ("queues", format!("{} pairs, {layout}", 1 + self.others.len())),
            ("receive buffers", format!("{buffers} of {bytes} bytes")),
            ("transmit queue", format!("{} entries", self.first.transmitter.entries())),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        let link = self.link();
        selftest::run(&self.transport, self.control.as_mut(), self.all_multicast, link)
    }

    fn net(&mut self) -> Option<&mut dyn Net> {
        Some(self)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.shut_down()
    }
}

impl Drop for VirtioNet {
    fn drop(&mut self) {
        lifecycle::dropped(DRIVER.name, self.shut_down());
    }
}
