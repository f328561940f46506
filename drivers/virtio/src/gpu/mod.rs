//! The virtio graphics adapter, as a [`Display`].
//!
//! In reading order: `command` is what is said, `config` what the device tells of itself; `backing` is the memory that it
//! reads, and how that comes back; `fence` is the order in which flips end; `control` and `pointer` are the two queues, and
//! `state` what each vector has of all that. [`Setup`] is a device that does not run yet, [`Sections`] are the ways into its
//! vectors, `channel` gives commands by them and has the answers; [`ModeSetting`] is the display on that, with a `resource` for
//! each framebuffer, a `scanout` for each connector, `flip`, `cursor` and `connectors`. [`VirtioGpu`], here, is all that with vectors of its own; a port of a miniport connects them otherwise.
//!
//! Source: VIRTIO 1.2, 5.7.

mod backing;
mod channel;
mod command;
mod config;
mod connectors;
mod control;
mod cursor;
mod display;
mod fence;
mod flip;
mod pointer;
mod resource;
mod scanout;
mod sections;
mod selftest;
mod setup;
mod signals;
mod state;

use dirql::class::display::Display;
use dirql::driver::{Driver, Registration, Settings};
use dirql::interrupt::{Interrupts, Observer, VectorStatistics};
use dirql::selftest::Check;
use dirql::{Device, Result};

pub use self::config::Config;
pub use self::control::Control;
pub use self::display::ModeSetting;
pub use self::fence::{Fences, Outcome};
pub use self::pointer::Pointer;
pub use self::sections::{Part, Sections, Vectors, Wiring};
pub use self::setup::{Foundation, Setup};
pub use self::state::State;
use crate::Features;

/// The driver, for whoever looks for one by a device's ids.
pub const DRIVER: Registration = Registration {
    name: "virtio-gpu",
    ids: &[(0x1af4, 0x1050)],
    probe: |device, settings| Ok(Box::new(VirtioGpu::start(device, settings)?)),
};

/// A started graphics adapter.
#[derive(Debug)]
pub struct VirtioGpu {
    display: ModeSetting<Vectors>,
    interrupts: Interrupts,
}

impl VirtioGpu {
    /// Starts the device.
    ///
    /// # Errors
    /// `Precondition` where `settings` ask for interrupts that the device has not, where it is a legacy one or (E15) does
    /// not offer ACCESS_PLATFORM; `Device` where it misbehaves; E9 to E11 where memory or interrupts are not to be had.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        crate::lifecycle::check(settings)?;
        let setup = Setup::open(device)?;
        let (mut interrupts, wiring) = setup.interrupts(settings)?;
        let (foundation, states) = setup.states(&wiring);
        let vectors = Vectors::connect(&mut interrupts, states, wiring.clone())?;
        let display = ModeSetting::start(foundation, vectors, &wiring)?;
        Ok(Self { display, interrupts })
    }
}

impl Driver for VirtioGpu {
    fn vectors(&self) -> Vec<VectorStatistics> {
        self.interrupts.statistics()
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.interrupts.observer())
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let features = self.display.channel.foundation.transport.features();
        let layout = if features.contains(Features::RING_PACKED) { "packed" } else { "split" };
        let entries = self.display.channel.control(|control| Ok(control.entries()))?;
        // Who waits for a change still hears of it.
        let displays = connectors::read(&self.display.channel)?.into_iter().map(|connector| match connector
            .preferred()
        {
            Some(mode) => mode.to_string(),
            None => "none".into(),
        });
        let vectors = self.interrupts.statistics();
        let mode = vectors.first().map(|vector| vector.mode.to_string()).unwrap_or_default();
        Ok(vec![
            ("device", "virtio graphics adapter".into()),
            ("displays", displays.collect::<Vec<_>>().join(", ")),
            ("features", features.to_string()),
            ("interrupts", mode),
            ("vectors", vectors.len().to_string()),
            ("control queue", format!("{entries} entries, {layout}")),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        selftest::run(&self.display.channel)
    }

    fn display(&mut self) -> Option<&mut dyn Display> {
        Some(&mut self.display)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.display.stop()
    }
}
