//! How handlers tell those who wait.

use std::sync::{Arc, OnceLock};

use dirql::synchronize::Completion;
use dirql::{Error, Result};

/// What is waited for, and why nothing more will come. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The device has other displays.
    pub changed: Completion,
    /// The device is done with a command that somebody waits for.
    pub answered: Completion,
    /// The device is done with a command of the cursor that somebody waits for.
    pub pointed: Completion,
    failure: Arc<OnceLock<Error>>,
}

impl Signals {
    /// Everybody looks again.
    pub fn wake(&self) {
        [&self.changed, &self.answered, &self.pointed].into_iter().for_each(Completion::complete);
    }

    /// The device has failed: who waits is told, and who comes later.
    pub fn fail(&self, error: Error) {
        // The first failure is told.
        let _ = self.failure.set(error);
        self.wake();
    }

    /// Nothing, unless the device has failed.
    ///
    /// # Errors
    /// Why it has.
    pub fn check(&self) -> Result<()> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }
}
