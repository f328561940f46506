//! What a driver is: which devices it drives, how it starts, and what it can be asked.
//!
//! The life of a driver: [`Registration::probe`] is handed the opened device, quiets what an earlier process left
//! running, turns bus mastering on, connects its vectors and starts the device. [`Driver::stop`] takes it down in the
//! reverse order; a driver that is merely dropped does the same and logs what goes wrong.

use crate::class::display::Display;
use crate::class::net::{self, Net};
use crate::class::random::Random;
use crate::interrupt::{Best, Mode, Observer, Request, VectorStatistics};
use crate::selftest::Check;
use crate::{Device, Result};

/// A started device.
pub trait Driver: Send {
    /// What was counted of each vector.
    fn vectors(&self) -> Vec<VectorStatistics>;

    /// A way to look at its vectors from outside; `None` of a driver that offers none.
    fn observer(&self) -> Option<Observer> {
        None
    }

    /// What there is to say of the device, as names and values: a link, an address.
    ///
    /// # Errors
    /// Where the device cannot be asked.
    fn identify(&mut self) -> Result<Vec<(&'static str, String)>>;

    /// Tries what the device can do.
    fn selftest(&mut self) -> Vec<Check>;

    /// The device as a network interface, where it is one.
    fn net(&mut self) -> Option<&mut dyn Net> {
        None
    }

    /// The device as a display, where it is one.
    fn display(&mut self) -> Option<&mut dyn Display> {
        None
    }

    /// The device as a source of entropy, where it is one.
    fn random(&mut self) -> Option<&mut dyn Random> {
        None
    }

    /// Stops the device and disconnects its vectors.
    ///
    /// # Errors
    /// Where the device does not stop. It is closed all the same.
    fn stop(self: Box<Self>) -> Result<()>;
}

/// A driver that can be started, by the ids of its devices.
#[derive(Debug)]
pub struct Registration {
    /// The driver's name.
    pub name: &'static str,
    /// Vendor and device ids of what it drives.
    pub ids: &'static [(u16, u16)],
    /// Starts the device.
    pub probe: Probe,
}

/// Starts a device.
pub type Probe = fn(Device, &Settings) -> Result<Box<dyn Driver>>;

/// What a device is started with. What is for another class of devices does not matter; what is for its own, and it
/// cannot do, is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How its interrupts shall arrive; `None` is the best way that it has.
    pub interrupts: Option<Mode>,
    /// What a network interface is started with.
    pub net: net::Settings,
}

impl Settings {
    /// The interrupts to ask the device for.
    pub fn request(&self) -> Request {
        self.interrupts.map_or(Request::from(Best), Request::from)
    }
}

impl Registration {
    /// Whether the driver is for a device with these ids.
    pub fn matches(&self, vendor: u16, device: u16) -> bool {
        self.ids.contains(&(vendor, device))
    }
}
