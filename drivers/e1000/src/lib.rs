//! Intel's 82540EM and 82574L, the e1000 and e1000e of emulators, as a [`Net`](dirql::class::net::Net) and in safe Rust.
//!
//! In reading order:
//!
//! - [`chip`] is what tells the two apart.
//! - [`register`] and [`descriptor`] are the datasheets' words.
//! - [`quiesce`](mod@quiesce) stops a chip, whoever left it running; [`eeprom`] reads who it is; [`link`] is its
//!   cable.
//! - `receive` and `transmit` are the two rings, a `queue` together, which whoever moves frames has for himself; `offload`
//!   is what the chip is asked to do with a frame that goes out.
//! - `wiring` says which cause reaches which vector; `setup` and `filter` are what the chip is told.
//! - `statistics` are the counters. With link and filters they are the `state`, which lives inside the vector for what is no
//!   queue's: its handler reads the causes, and all else comes in by
//!   [`Vector::synchronize`](dirql::interrupt::Vector::synchronize).
//! - [`E1000`] starts and stops all that; `net` is its face.
//! - `selftest` tries the running chip.
//! - [`model`] is the chip as software, so that all of this is tested without one.
#![forbid(unsafe_code)]

pub mod chip;
pub mod descriptor;
mod driver;
pub mod eeprom;
mod filter;
pub mod link;
pub mod model;
mod net;
mod offload;
mod queue;
pub mod quiesce;
mod receive;
pub mod register;
mod selftest;
mod setup;
mod state;
mod statistics;
mod transmit;
mod wiring;

use dirql::driver::Registration;

use self::chip::{I82540EM, I82574L, INTEL};
pub use self::driver::E1000;

/// Descriptors of each ring; a multiple of 8, so that its length is one of 128 bytes.
const ENTRIES: u32 = 256;
/// Bytes of a receive buffer, as RCTL says by default, and at least of a transmit buffer: a frame of usual length with a tag
/// and its check sequence fits.
const BUFFER: usize = 2048;
/// After how many frames the chip is given their buffers again, or asked for a report, within one call.
const BURST: usize = 64;

/// The driver, for whoever looks for one by a device's ids.
pub const DRIVER: Registration = Registration {
    name: "e1000",
    ids: &[(INTEL, I82540EM.device), (INTEL, I82574L.device)],
    probe: |device, settings| Ok(Box::new(E1000::start(device, settings)?)),
};
