//! The Bochs display interface, which bochs-display and the standard VGA of QEMU have, as a
//! [`Display`](dirql::class::display::Display) and in safe Rust.
//!
//! The device raises no interrupt. Its registers are reached at a priority, as `VideoPortSynchronizeExecution` has it for an
//! adapter without one; the lock owns what is programmed.
//!
//! In reading order:
//!
//! - [`register`] has the documents' words; [`dispi`] the sequences of them, each read back; [`adapter`] the lock and its
//!   three priorities.
//! - [`limits`] is what the device can show; `monitor` what the EDID says that it should.
//! - `vram` is where in video memory there is place. A `surface` is what a framebuffer is made of: pixels in ordinary memory,
//!   and a page or two in video memory; `damage` is what a page lacks.
//! - [`Bochs`] starts and stops all that; `display` is its face.
//! - `selftest` tries the device; [`model`] is the device as software.
#![forbid(unsafe_code)]

pub mod adapter;
mod damage;
pub mod dispi;
mod display;
mod driver;
pub mod limits;
pub mod model;
mod monitor;
pub mod register;
mod selftest;
mod surface;
mod vram;

use dirql::driver::Registration;

pub use self::driver::Bochs;

/// The driver, for whoever looks for one by a device's ids.
pub const DRIVER: Registration = Registration {
    name: "bochs",
    ids: &[(0x1234, 0x1111)],
    probe: |device, settings| Ok(Box::new(Bochs::start(device, settings)?)),
};
