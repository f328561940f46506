//! How the kernel schedules a handler's thread, and those of its group.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::synchronize::Scheduling;
use crate::{Error, ErrorKind, Result};

/// How long a thread may take to run for the first time.
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl<T: Send + 'static> Connection<T> {
    /// Has the kernel schedule the handler's thread so, and those of its group no lower.
    pub fn schedule(&self, scheduling: Option<&Scheduling>) -> Result<()> {
        if let Some(scheduling) = scheduling {
            self.apply(scheduling)?;
        }
        if self.is_shared { self.controller.raise_to_ceiling(self.lock()) } else { Ok(()) }
    }

    pub fn apply(&self, scheduling: &Scheduling) -> Result<()> {
        scheduling.apply_to(self.started()?).map_err(|error| error.on(self.controller.address()))?;
        if let Some(priority) = scheduling.priority() {
            self.priority.store(priority, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The kernel's id of the handler's thread, once that runs.
    fn started(&self) -> Result<u32> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            self.phase.admit()?;
            match self.handler_thread.load(Ordering::Acquire) {
                0 if Instant::now() < deadline => std::thread::yield_now(),
                0 => {
                    return Err(Error::new(
                        ErrorKind::Failure,
                        format!("start of the thread of {}", self.source),
                    )
                    .on(self.controller.address())
                    .why(format!("it did not run within {} s", START_TIMEOUT.as_secs())));
                }
                thread => return Ok(thread),
            }
        }
    }
}
