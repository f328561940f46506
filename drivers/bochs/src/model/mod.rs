//! The device as software, so that the driver runs in `cargo test`, without hardware, VM or privileges.
//!
//! [`Card`] is a bochs-display or a VGA; [`Screen`] is what its monitor shows, computed from the registers and the video memory
//! as the device would. A VGA is what QEMU's is as far as the driver depends on it: it rounds widths, moves offsets that do
//! not fit, and is dark until it is told otherwise. Not modelled: depths but 32 bits, text, and the memory below 1 MiB.
//!
//! ```
//! use dirql::class::display::{Display, Mode};
//! use dirql::driver::Settings;
//! use dirql_bochs::{Bochs, model::Card};
//!
//! let (device, screen) = Card::bochs_display().plug_in()?;
//! let mut display = Bochs::start(device, &Settings::default())?;
//! let framebuffer = display.create_framebuffer(640, 480)?;
//! display.draw(&framebuffer)?.pixels().fill(0xff_8000);
//! display.set_mode(0, &Mode { width: 640, height: 480, refresh: 0 }, &framebuffer)?;
//! let picture = screen.picture().expect("a mode is set");
//! assert_eq!((picture.width, picture.height), (640, 480));
//! assert!(picture.pixels.iter().all(|&pixel| pixel == 0xff_8000));
//! # Ok::<(), dirql::Error>(())
//! ```

mod core;
mod edid;
mod picture;
mod screen;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::region::Register;
use dirql::{Device, Result};

use self::core::Core;
pub use self::picture::Picture;
pub use self::screen::Screen;

/// Bytes of the BAR of registers.
const REGISTERS: u64 = 4096;

/// A device that is not plugged in yet.
#[derive(Debug)]
pub struct Card {
    core: Core,
    bar: u64,
}

impl Card {
    /// A bochs-display with 16 MiB of video memory and a monitor that would rather show 1280x800.
    pub fn bochs_display() -> Self {
        Self { core: Core::new(false), bar: Core::MEMORY as u64 }
    }

    /// The standard VGA with the same.
    pub fn vga() -> Self {
        Self { core: Core::new(true), bar: Core::MEMORY as u64 }
    }

    /// With so much video memory, in a BAR of so many bytes.
    #[must_use]
    pub fn with_memory(mut self, memory: usize, bar: u64) -> Self {
        self.core.memory = vec![0x77; memory];
        self.bar = bar;
        self
    }

    /// With a monitor that says nothing.
    #[must_use]
    pub fn without_edid(mut self) -> Self {
        self.core.edid = None;
        self
    }

    /// With an EDID of which a bit has fallen over.
    #[must_use]
    pub fn with_damaged_edid(mut self) -> Self {
        self.core.edid.iter_mut().for_each(|edid| edid[60] ^= 1);
        self
    }

    /// Of another version.
    #[must_use]
    pub fn with_id(mut self, id: u16) -> Self {
        self.core.id = id;
        self
    }

    /// Ignores every write to a register: a device that does not do as it is told.
    #[must_use]
    pub fn deaf_at(mut self, register: Register<u16>) -> Self {
        self.core.deaf_at = Some(register.offset());
        self
    }

    /// As a killed process leaves it: it shows what is in its memory, from a line far down.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.core.leave_running();
        self
    }

    /// Plugs it into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Screen)> {
        let config = ModelConfig {
            class: 0x03_8000,
            bars: [self.bar, 0, REGISTERS, 0, 0, 0],
            error: true,
            ..ModelConfig::new(0x1234, 0x1111)
        };
        let core = Arc::new(Mutex::new(self.core));
        let backend = ModelBackend::new(config, Plugged(core.clone()));
        let screen = Screen::new(core, backend.bus());
        Ok((Device::from_backend(backend)?, screen))
    }
}

/// The device's side to the bus.
struct Plugged(Arc<Mutex<Core>>);

impl Model for Plugged {
    fn read(&mut self, _bus: &Bus, bar: u8, offset: u64, data: &mut [u8]) {
        let mut core = lock(&self.0);
        match bar {
            0 => core.read_memory(offset, data),
            _ => core.read(offset, data),
        }
    }

    fn write(&mut self, _bus: &Bus, bar: u8, offset: u64, data: &[u8]) {
        let told = {
            let mut core = lock(&self.0);
            match bar {
                0 => core.write_memory(offset, data),
                _ => core.write(offset, data),
            }
            core.on_write.clone()
        };
        // Whoever is told may look at the screen.
        if let Some(told) = told {
            told(bar, offset);
        }
    }
}

/// A test that panicked with the device in its hands does not keep others from looking at it.
fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
