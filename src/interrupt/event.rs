//! What a handler is told, and what it answers.

use super::Mode;
use super::slot::Slot;
use crate::{Error, Result};

/// What a handler is told.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The vector's index.
    pub vector: u16,
    /// How the interrupt arrived.
    pub mode: Mode,
    /// How many interrupts this one call stands for, at least 1: so the handler drains the device.
    pub count: u64,
    pub(super) deferred: &'a Slot,
}

impl Event<'_> {
    /// Queues the vector's deferred call, which sees all that the handler has written until here: false where one is
    /// queued already that has not begun, or the vector has none.
    ///
    /// Source: `IoRequestDpc` of wdm.h; R26 of `docs/synchronize.md`.
    pub fn defer(&self) -> bool {
        self.deferred.queue()
    }
}

/// What a handler answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The device had something to say.
    Yes,
    /// It had not: counted as spurious.
    No,
    /// The device is not quiet yet. INTx stays masked until [`super::Vector::unmask`], mostly by
    /// the deferred call; a message counts as handled.
    KeepMasked,
}

/// What a handler may return: [`Handled`], or a `Result` of it where its register accesses can fail.
///
/// A handler that returns `Err` could not quiet the device: the error goes to the fault hook, and INTx stays masked.
pub trait IntoHandled {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// What the handler met.
    fn into_handled(self) -> Result<Handled>;
}

impl IntoHandled for Handled {
    fn into_handled(self) -> Result<Handled> {
        Ok(self)
    }
}

impl<E: Into<Error>> IntoHandled for Result<Handled, E> {
    fn into_handled(self) -> Result<Handled> {
        self.map_err(Into::into)
    }
}
