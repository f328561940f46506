//! The 82540EM and the 82574L as software, so that the driver runs in `cargo test`, without hardware, VM or privileges.
//!
//! [`Chip`] is a [`Model`] for the library's model backend; [`Wire`] is the cable in its socket: it reads what was
//! sent, injects frames, pulls the plug. It does what the datasheet says where the driver depends on it, and where
//! emulated chips are worse than that, it is as bad: CTRL.RST does nothing but clear itself, and counters of what is good
//! follow those of all. Not modelled: flow control, throttling, and time.
//!
//! ```
//! use dirql::class::net::Net;
//! use dirql_e1000::{E1000, model::Chip};
//!
//! let (device, wire) = Chip::new().plug_in()?;
//! let mut e1000 = E1000::start(device, &dirql::driver::Settings::default())?;
//! let mut frames = [[0x5a_u8; 60]].into_iter();
//! let sent = e1000.queue().transmit(&mut |room| {
//!     let frame = frames.next()?;
//!     room[..frame.len()].copy_from_slice(&frame);
//!     Some(frame.len().into())
//! })?;
//! assert_eq!((sent, wire.sent()), (1, vec![vec![0x5a; 60]]));
//! # Ok::<(), dirql::Error>(())
//! ```

mod cause;
mod core;
mod delivery;
mod interrupt;
mod packet;
mod receive;
pub mod register;
mod sender;
mod transmit;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::class::net::Mac;
use dirql::{Device, Result};

use self::core::Core;
pub use self::delivery::Delivery;
pub use self::wire::Wire;

/// A chip that is not plugged in yet.
#[derive(Debug)]
pub struct Chip {
    core: Core,
    vectors: u16,
}

/// MSI-X vectors of an 82574L.
const VECTORS: u16 = 5;

impl Default for Chip {
    fn default() -> Self {
        Self::new()
    }
}

impl Chip {
    /// The address that the EEPROM holds.
    pub const MAC: Mac = Mac([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);

    /// An 82540EM after power-on, with a cable in.
    pub fn new() -> Self {
        Self { core: Core::new(Self::MAC, false), vectors: VECTORS }
    }

    /// An 82574L after power-on, with a cable in.
    pub fn express() -> Self {
        Self { core: Core::new(Self::MAC, true), vectors: VECTORS }
    }

    /// On a host that gives it so many MSI-X vectors at most.
    #[must_use]
    pub fn with_vectors(mut self, vectors: u16) -> Self {
        self.vectors = vectors;
        self
    }

    /// As a killed process leaves it: interrupts enabled, and rings at addresses that are no longer mapped. The network
    /// is busy, so that the chip receives and sends as soon as it is allowed to master the bus.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.core.leave_running();
        self
    }

    /// As the kernel's driver leaves it: the PHY without power, and so no link.
    #[must_use]
    pub fn without_phy_power(mut self) -> Self {
        self.core.power_phy_down();
        self
    }

    /// Replaces a word of the EEPROM, and leaves the checksum as it is.
    #[must_use]
    pub fn with_eeprom_word(mut self, address: u8, word: u16) -> Self {
        self.core.set_eeprom_word(address, word);
        self
    }

    /// Ignores every write to the register at `offset`: a chip that does not do as it is told.
    #[must_use]
    pub fn deaf_at(mut self, offset: u64) -> Self {
        self.core.deaf_at = Some(offset);
        self
    }

    /// Plugs the chip into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Wire)> {
        let config = config(self.core.is_express, self.vectors);
        let core = Arc::new(Mutex::new(self.core));
        let backend = ModelBackend::new(config, Plugged { core: core.clone() });
        let wire = Wire::new(core, backend.bus());
        Ok((Device::from_backend(backend)?, wire))
    }
}

/// A chip from outside: 128 KiB of registers, no reset. An 82540EM is conventional PCI with an interrupt pin; an 82574L has
/// messages too.
fn config(is_express: bool, vectors: u16) -> ModelConfig {
    let config = ModelConfig {
        class: 0x02_0000,
        bars: [register::LEN, 0, 0, 0, 0, 0],
        intx: true,
        ..ModelConfig::new(0x8086, if is_express { 0x10d3 } else { 0x100e })
    };
    match is_express {
        false => config,
        true => {
            ModelConfig { msi: 1, msix: VECTORS, vectors_available: vectors.into(), error: true, ..config }
        }
    }
}

/// The chip's side to the bus.
struct Plugged {
    core: Arc<Mutex<Core>>,
}

impl Model for Plugged {
    fn read(&mut self, bus: &Bus, bar: u8, offset: u64, data: &mut [u8]) {
        // Registers are read whole; of anything else nothing is said.
        if let (0, Ok(data)) = (bar, <&mut [u8; 4]>::try_from(data)) {
            *data = lock(&self.core).read(bus, offset).to_le_bytes();
        }
    }

    fn write(&mut self, bus: &Bus, bar: u8, offset: u64, data: &[u8]) {
        if let (0, Ok(data)) = (bar, <[u8; 4]>::try_from(data)) {
            lock(&self.core).write(bus, offset, u32::from_le_bytes(data));
        }
    }
}

/// A test that panicked with the chip in its hands does not keep others from looking at it.
fn lock(core: &Mutex<Core>) -> std::sync::MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
