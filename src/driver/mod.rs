//! What a driver is: which devices it drives, how it starts, and what it can be asked.
//!
//! The life of a driver: [`Registration::probe`] is handed the opened device, quiets what an earlier process left
//! running, turns bus mastering on, connects its vectors and starts the device. [`Driver::stop`] takes it down in the
//! reverse order; a driver that is merely dropped does the same and logs what goes wrong.

use crate::class::net::Net;
use crate::interrupt::{Observer, VectorStatistics};
use crate::selftest::Check;
use crate::{Device, Error, Result};

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
    pub probe: fn(Device) -> Result<Box<dyn Driver>, Error>,
}

impl Registration {
    /// Whether the driver is for a device with these ids.
    pub fn matches(&self, vendor: u16, device: u16) -> bool {
        self.ids.contains(&(vendor, device))
    }
}
