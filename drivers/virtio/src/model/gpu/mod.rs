//! A virtio graphics adapter as software.
//!
//! [`Card`] is one that is not plugged in yet; [`Screen`] is what is to be seen of it from outside, and the hand that
//! resizes, holds back and lies.

mod device;
mod edid;
mod host;
mod options;
mod screen;

use dirql::{Device, Result};

use self::device::Gpu;
pub use self::host::{Picture, Pointer};
pub use self::options::{Lie, Options};
pub use self::screen::Screen;
use super::plugged::{self, Identity};

/// A graphics adapter that is not plugged in yet.
#[derive(Debug)]
pub struct Card {
    gpu: Gpu,
}

impl Card {
    /// A device after power-on, with a monitor at its first scanout.
    pub fn new(options: Options) -> Self {
        Self { gpu: Gpu::new(options) }
    }

    /// As a killed process leaves it: running, with a queue at an address that is no longer mapped.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.gpu.common.leave_running();
        self
    }

    /// Plugs the device into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Screen)> {
        let identity = Identity { ids: (0x1050, 0x1050), class: 0x03_8000 };
        let (device, gpu, window) = plugged::plug_in(self.gpu, &identity)?;
        Ok((device, Screen::new(gpu, window)))
    }
}
