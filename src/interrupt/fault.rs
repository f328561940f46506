//! A handler that went wrong.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;

/// A handler that went wrong. INTx stays masked until somebody acts.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The vector's index.
    pub vector: u16,
    /// What happened.
    pub kind: FaultKind,
}

/// What went wrong in a handler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FaultKind {
    /// It panicked, with these words; the vector is poisoned.
    HandlerPanicked(String),
    /// It could not quiet the device.
    HandlerFailed(Error),
    /// It is well, but an interrupt did not get to it, or the line could not be unmasked after it.
    DeliveryFailed(Error),
    /// It was called again and again and found nothing to do. The vector was quieted: no interrupt comes until
    /// [`super::Vector::clear_fault`].
    Storm,
    /// The vector's deferred call panicked, with these words. Others will run.
    DeferredCallPanicked(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::HandlerPanicked(words) => {
                write!(f, "the handler of vector {} panicked: {words}", self.vector)
            }
            FaultKind::DeliveryFailed(error) => {
                write!(f, "delivery to vector {} failed: {error}", self.vector)
            }
            FaultKind::HandlerFailed(error) => {
                write!(f, "the handler of vector {} failed: {error}", self.vector)
            }
            FaultKind::Storm => {
                write!(f, "vector {} was quieted: its interrupts did not end, and meant nothing", self.vector)
            }
            FaultKind::DeferredCallPanicked(words) => {
                write!(f, "the deferred call of vector {} panicked: {words}", self.vector)
            }
        }
    }
}

/// What a panic said.
pub fn words_of(panic: Box<dyn std::any::Any + Send>) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into());
    // What was panicked with may panic when it is dropped.
    catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(std::mem::forget);
    words
}
