//! Interrupts of a device: INTx, MSI and MSI-X by eventfds, one thread a vector, and the contract of `synchronize`.
//!
//! [`Interrupts`] enables one kind on the device and connects handlers; a connected handler is a [`Vector`], which owns
//! the state that the handler touches. In reading order: [`Mode`] and [`Request`], [`Interrupts`], [`Vector`], then
//! what a handler sees ([`Event`], [`Handled`]) and what is counted ([`VectorStatistics`]).
//!
//! Source: `docs/synchronize.md`, R1 to R28; `drivers/vfio/pci/vfio_pci_intrs.c` of Linux.

mod controller;
mod counters;
mod delivery;
mod event;
mod fault;
mod histogram;
mod interrupts;
mod mode;
mod observer;
mod overrun;
mod phase;
mod statistics;
mod vector;

pub use self::event::{Event, Handled, IntoHandled};
pub use self::fault::{Fault, FaultKind};
pub use self::histogram::Histogram;
pub use self::interrupts::Interrupts;
pub use self::mode::{Best, Mode, Request};
pub use self::observer::Observer;
pub use self::overrun::{CallSite, Overrun, SeenBy};
pub use self::statistics::{
    DeferredStatistics, Histograms, Percentiles, SynchronizeStatistics, VectorStatistics,
};
pub use self::vector::Vector;
