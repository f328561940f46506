//! Entropy: bytes that nobody can guess.

use std::time::Duration;

use crate::Result;

/// A source of entropy.
pub trait Random: Send {
    /// Fills `bytes` from the front, and gives how many there are: fewer where the source has no more within `timeout`. It
    /// sleeps meanwhile. What arrives later is for the next call.
    ///
    /// # Errors
    /// Where the device fails.
    fn fill(&mut self, bytes: &mut [u8], timeout: Duration) -> Result<usize>;
}
