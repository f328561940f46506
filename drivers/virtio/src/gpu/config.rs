//! The GPU's configuration: how many scanouts there are, and what has happened.
//!
//! Source: VIRTIO 1.2, 5.7.3 and 5.7.4.

use dirql::region::Register;
use dirql::{Error, ErrorKind, Result};

use super::command::VIRTIO_GPU_MAX_SCANOUTS;
use super::signals::Signals;
use crate::Features;
use crate::transport::Transport;

/// The device has EDIDs.
pub const VIRTIO_GPU_F_EDID: Features = Features(1 << 1);

const EVENTS_READ: Register<u32> = Register::new(0, "events_read");
const EVENTS_CLEAR: Register<u32> = Register::new(4, "events_clear");
const NUM_SCANOUTS: Register<u32> = Register::new(8, "num_scanouts");

/// events_read: other displays.
const VIRTIO_GPU_EVENT_DISPLAY: u32 = 1;

/// Reads how many scanouts there are.
///
/// # Errors
/// As [`Transport::config`]; `Device` for a number that is not specified.
pub fn scanouts(transport: &Transport) -> Result<u32> {
    let scanouts = transport.config(|config| config.read(NUM_SCANOUTS))?;
    if (1..=VIRTIO_GPU_MAX_SCANOUTS as u32).contains(&scanouts) {
        return Ok(scanouts);
    }
    Err(Error::new(ErrorKind::Device, "reading of the device configuration")
        .on(transport.address())
        .why(format!("register {NUM_SCANOUTS} reads {scanouts}, not 1 to {VIRTIO_GPU_MAX_SCANOUTS}")))
}

/// What the configuration's vector has: the events.
#[derive(Debug)]
pub struct Config {
    transport: Transport,
    signals: Signals,
    changes: u64,
}

impl Config {
    pub(super) fn new(transport: Transport, signals: Signals) -> Self {
        Self { transport, signals, changes: 0 }
    }

    /// How often the device has reported other displays.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes what has happened; false where nothing has.
    ///
    /// # Errors
    /// `Device` where the device needs a reset; as [`Transport::config`].
    pub fn handle(&mut self) -> Result<bool> {
        if self.transport.needs_reset()? {
            return Err(Error::new(ErrorKind::Device, "handling of an interrupt")
                .on(self.transport.address())
                .why(
                    "register device_status says DEVICE_NEEDS_RESET: the device has found something that it cannot \
                     go on with",
                ));
        }
        let events = self.transport.config(|config| config.read(EVENTS_READ))?;
        if events & VIRTIO_GPU_EVENT_DISPLAY == 0 {
            return Ok(false);
        }
        // Before anybody asks what has changed: what changes later is an event again.
        self.transport.write_config(EVENTS_CLEAR, VIRTIO_GPU_EVENT_DISPLAY)?;
        self.changes += 1;
        self.signals.changed.complete();
        Ok(true)
    }
}
