//! Virtio devices on PCI, in safe Rust.
//!
//! In reading order:
//!
//! - [`features`] are the bits that driver and device agree on.
//! - [`transport`] finds a device's registers, resets it, agrees with it and tells it of queues.
//! - [`queue`] are its rings, split and packed, with nothing believed that the device writes.
//! - [`net`] is the network device on all that, [`gpu`] the graphics adapter, and [`rng`] the entropy device: the least that
//!   one can be.
//! - [`model`] are devices as software, so that all of this is tested without one.
//!
//! Source: Virtual I/O Device (VIRTIO) 1.2.
#![forbid(unsafe_code)]

pub mod features;
pub mod gpu;
mod lifecycle;
pub mod model;
pub mod net;
pub mod queue;
pub mod rng;
pub mod transport;

pub use self::features::Features;
