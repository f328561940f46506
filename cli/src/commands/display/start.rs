//! The device, started.

use dirql::driver::Settings;
use dirql::host::Host;
use dirql::{Address, Result};

use crate::confine::Needs;
use crate::device::Running;
use crate::signals::Stop;

/// A device that is not started yet.
pub struct Start<'a> {
    pub host: &'a Host,
    pub device: &'a str,
    pub settings: Settings,
    pub stop: &'a Stop,
}

impl Start<'_> {
    /// Starts it, and makes sure that it is a display.
    pub fn start(&self) -> Result<Running> {
        let mut running =
            Running::start(self.host, self.device, &self.settings, &Needs::default(), self.stop)?;
        running.display()?;
        Ok(running)
    }
}

/// Names the device in an error.
pub fn on<T>(address: Address, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.on(address))
}
