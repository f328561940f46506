//! Virtio devices as software, so that the drivers run in `cargo test`, without hardware, VM or privileges.
//!
//! [`Adapter`] is a network device that is not plugged in yet, with [`Options`] for everything that devices differ in, and
//! for what they do wrong; [`Wire`] is its cable: it reads what was sent, injects frames, pulls the plug. [`gpu`] is a
//! graphics adapter, [`rng`] an entropy device. A [`Window`] shows the transport of any device. A model is the specification
//! read a second time: a driver's mistake is a panic or a frame that does not arrive. Not modelled: what becomes of checksums and segments, which are handed on as the driver
//! described them, and time.
//!
//! ```
//! use dirql::class::net::{Net, Outgoing};
//! use dirql_virtio::model::{Adapter, Options};
//! use dirql_virtio::net::VirtioNet;
//!
//! let (device, wire) = Adapter::new(Options { packed: true, ..Options::default() }).plug_in()?;
//! let mut net = VirtioNet::start(device, &Default::default())?;
//! let mut frames = [[0x5a_u8; 60]].into_iter();
//! let sent = net.queue().transmit(&mut |room| {
//!     let frame = frames.next()?;
//!     room[..frame.len()].copy_from_slice(&frame);
//!     Some(Outgoing::from(frame.len()))
//! })?;
//! assert_eq!((sent, wire.sent()[0].frame.clone()), (1, vec![0x5a; 60]));
//! # Ok::<(), dirql::Error>(())
//! ```

mod common;
mod function;
pub mod gpu;
mod net;
mod options;
mod plugged;
mod ring;
pub mod rng;
mod window;
mod wire;

use dirql::class::net::Mac;
use dirql::{Device, Result};

use self::net::Nic;
pub use self::net::{Delivery, Sent};
pub use self::options::Options;
use self::plugged::Identity;
pub use self::window::{Area, Taken, Window};
pub use self::wire::Wire;

/// A network device that is not plugged in yet.
#[derive(Debug)]
pub struct Adapter {
    nic: Nic,
}

impl Adapter {
    /// The address that it has.
    pub const MAC: Mac = Mac([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);

    /// A device after power-on, with a cable in.
    pub fn new(options: Options) -> Self {
        Self { nic: Nic::new(options) }
    }

    /// As a killed process leaves it: running, with a queue at an address that is no longer mapped. The network is busy, so
    /// that the device reaches there as soon as it may master the bus.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.nic.common.leave_running();
        self
    }

    /// Plugs the device into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Wire)> {
        let identity = Identity { ids: (0x1041, 0x1000), class: 0x02_0000 };
        let (device, nic, window) = plugged::plug_in(self.nic, &identity)?;
        Ok((device, Wire::new(nic, window)))
    }
}
