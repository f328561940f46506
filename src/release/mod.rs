//! The host wants a device back: it is being unbound or unplugged, and waits for as long as somebody holds it.
//!
//! VFIO tells by the request interrupt ([`crate::backend::IrqIndex::Request`]), again every ten seconds while the device
//! is held. Every [`crate::Device`] listens from the start. A program that asks for its [`ReleaseRequest`] is told, and
//! has a grace of [`GRACE`] to stop its driver in order and let go of all that keeps the device open. After that the
//! device is revoked: its interrupts end, it stops mastering the bus, and it is closed under the program, whose calls say
//! from then on that it is gone. So the host never waits for long, and no program can be surprised by more than an error.
//!
//! Source: `vfio_pci_core_request` and `vfio_unregister_group_dev` of Linux; R29 of `docs/synchronize.md`.

mod request;
mod source;

use std::time::Duration;

pub use self::request::ReleaseRequest;
pub(crate) use self::source::Source;

/// How long a program has to let go, unless [`crate::Device::set_release_grace`] says otherwise.
pub const GRACE: Duration = Duration::from_secs(1);

/// How long a revocation may wait for handlers that run.
pub(crate) const REVOCATION: Duration = Duration::from_millis(500);
