//! What a device type has of its own behind the transport that all have.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dirql::backend::model::Bus;

use super::common::Common;

/// A device type: what happens when its queues are told of, and its configuration.
pub trait Function: Send + 'static {
    /// The transport's state.
    fn common(&mut self) -> &mut Common;

    /// The doorbell of a queue was rung.
    fn notified(&mut self, bus: &Bus, queue: u16);

    /// The device's own configuration, as it is.
    fn config(&self) -> Vec<u8>;

    /// The driver writes to the device's own configuration.
    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    /// What a reset forgets besides the transport.
    fn forget(&mut self) {}
}

/// A test that panicked with the device in its hands does not keep others from looking at it.
pub fn lock<F: ?Sized>(function: &Mutex<F>) -> MutexGuard<'_, F> {
    function.lock().unwrap_or_else(PoisonError::into_inner)
}
