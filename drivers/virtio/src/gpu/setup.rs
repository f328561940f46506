//! A device that was found, reset and agreed with, and is not running yet: for whoever connects its vectors.

use dirql::class::MeterReader;
use dirql::class::display::FenceCounters;
use dirql::dma::{Dma, DmaMask};
use dirql::driver::Settings;
use dirql::interrupt::{Interrupts, Mode};
use dirql::{Device, Result};

use super::config::{Config, VIRTIO_GPU_F_EDID, scanouts};
use super::control::Control;
use super::pointer::Pointer;
use super::sections::{Part, Wiring};
use super::signals::Signals;
use super::state::State;
use crate::lifecycle;
use crate::transport::Transport;

/// The queues that interrupt: control and cursor.
const QUEUES: u16 = 2;

/// What stays with the program, where the rest goes into the vectors.
#[derive(Debug)]
pub struct Foundation {
    pub(super) transport: Transport,
    pub(super) signals: Signals,
    pub(super) dma: Dma,
    pub(super) scanouts: u32,
    pub(super) fences: MeterReader<FenceCounters>,
    pub(super) device: Device,
}

/// A device before it runs.
#[derive(Debug)]
pub struct Setup {
    foundation: Foundation,
    control: Control,
    pointer: Pointer,
}

impl Setup {
    /// Resets the device, agrees with it, and makes its queues in memory.
    ///
    /// # Errors
    /// `Precondition` where it is a legacy device or (E15) does not offer ACCESS_PLATFORM; `Device` where it misbehaves; E9
    /// to E10 where memory is not to be had.
    pub fn open(device: Device) -> Result<Self> {
        let address = device.address();
        Self::try_open(device).map_err(|error| error.on(address))
    }

    fn try_open(device: Device) -> Result<Self> {
        // Opening resets it: an earlier process may have left queues and resources at addresses that are now something
        // else.
        let mut transport = Transport::open(&device)?;
        transport.negotiate(VIRTIO_GPU_F_EDID)?;
        let scanouts = scanouts(&transport)?;
        device.set_bus_master(true)?;
        let dma = device.dma(DmaMask::FULL);
        let signals = Signals::default();
        let mut control = Control::new(&transport, &dma, signals.clone())?;
        let fences = control.fences().reader();
        let pointer = Pointer::new(&transport, &dma, signals.clone())?;
        let foundation = Foundation { transport, signals, dma, scanouts, fences, device };
        Ok(Self { foundation, control, pointer })
    }

    /// Enables the device's interrupts, and says which vector tells of what. What goes wrong with a handler is told to who
    /// waits for it.
    ///
    /// # Errors
    /// E11 where they are not to be had, or `Precondition` where the device has no such ones.
    pub fn interrupts(&self, settings: &Settings) -> Result<(Interrupts, Wiring)> {
        self.enable(settings, QUEUES + 1)
    }

    /// As [`Setup::interrupts`], of an adapter that has one interrupt for everything.
    ///
    /// # Errors
    /// As there.
    pub fn one_interrupt(&self, settings: &Settings) -> Result<(Interrupts, Wiring)> {
        self.enable(settings, 1)
    }

    fn enable(&self, settings: &Settings, at_most: u16) -> Result<(Interrupts, Wiring)> {
        let Foundation { transport, signals, device, .. } = &self.foundation;
        lifecycle::check(settings)?;
        let (interrupts, plan) = lifecycle::interrupts(device, settings, transport, QUEUES, at_most)?;
        let told = signals.clone();
        lifecycle::report_faults(&interrupts, super::DRIVER.name, move |error| match error {
            Some(error) => told.fail(error.clone()),
            None => told.wake(),
        });
        let mode = interrupts.mode().unwrap_or(Mode::Intx);
        Ok((interrupts, Wiring { mode, plan }))
    }

    /// The state of each vector, by its index, and what is not in any of them.
    pub fn states(self, wiring: &Wiring) -> (Foundation, Vec<State>) {
        let Self { foundation, control, pointer } = self;
        let Foundation { transport, signals, .. } = &foundation;
        let config = Config::new(transport.clone(), signals.clone());
        let (mut config, mut control, mut pointer) = (Some(config), Some(control), Some(pointer));
        let state = |vector| State {
            transport: transport.clone(),
            mode: wiring.mode,
            config: config.take_if(|_| wiring.of(Part::Config) == vector),
            control: control.take_if(|_| wiring.of(Part::Control) == vector),
            pointer: pointer.take_if(|_| wiring.of(Part::Cursor) == vector),
            signals: signals.clone(),
        };
        let states = (0..wiring.vectors()).map(state).collect();
        (foundation, states)
    }
}
