//! Interrupts of a device: INTx, MSI and MSI-X by eventfds, one thread a vector, and the contract of `synchronize`.
//!
//! [`Interrupts`] enables one kind on the device and connects handlers; a connected handler is a [`Vector`], which owns
//! the state that the handler touches. In reading order: [`Mode`] and [`Request`], [`Interrupts`], [`VectorBuilder`],
//! [`Vector`], then what a handler sees ([`Event`], [`Handled`]), what it leaves for later ([`Deferral`]), and what is
//! counted ([`VectorStatistics`]). [`LockGroup`] is one state for several vectors, [`ErrorSource`] that of errors.
//!
//! Source: `docs/synchronize.md`, R1 to R29; `drivers/vfio/pci/vfio_pci_intrs.c` of Linux.

mod any_vector;
mod backlog;
#[cfg(test)]
mod backlog_tests;
mod builder;
mod ceiling;
mod connection;
mod controller;
mod counters;
mod deferred;
mod delivery;
mod erased;
mod error_source;
mod event;
mod fault;
mod group;
mod histogram;
mod holding;
mod interrupts;
mod mode;
mod observer;
mod overrun;
mod phase;
mod priority;
mod section;
mod slot;
#[cfg(test)]
mod slot_tests;
mod slots;
mod source;
mod statistics;
mod storm;
mod sync;
mod vector;
mod vector_set;
mod wait;

pub use self::builder::VectorBuilder;
pub use self::deferred::Deferral;
pub use self::error_source::{ErrorEvent, ErrorSource};
pub use self::event::{Event, Handled, IntoHandled};
pub use self::fault::{Fault, FaultKind};
pub use self::group::LockGroup;
pub use self::histogram::Histogram;
pub use self::interrupts::Interrupts;
pub use self::mode::{Best, Mode, NoInterrupts, Request};
pub use self::observer::Observer;
pub use self::overrun::{CallSite, Overrun, SeenBy};
pub use self::priority::Priority;
pub use self::statistics::{
    DeferredStatistics, Histograms, Percentiles, SynchronizeStatistics, VectorStatistics,
};
pub use self::storm::StormLimit;
pub use self::vector::Vector;
pub use self::vector_set::VectorSet;
pub use self::wait::Wait;
