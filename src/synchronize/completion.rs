//! Waiting for what a handler has to say, outside any section.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::sync::{Arc, Condvar, Mutex};
use super::unpoisoned;

/// A count of events that a handler raises and a thread waits for: the kernel's `struct completion`.
///
/// Clones are the same completion. [`Completion::complete`] may be called in a handler: it holds its own lock for a
/// few instructions and never waits for a section.
///
/// ```
/// use std::time::Duration;
/// let done = dirql::synchronize::Completion::new();
/// assert!(!done.wait(Duration::ZERO));
/// done.complete();
/// assert!(done.wait(Duration::ZERO));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Completion {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<u64>,
    raised: Condvar,
}

impl Completion {
    /// A completion with nothing raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises one event, and wakes a waiter.
    pub fn complete(&self) {
        let mut pending = unpoisoned(&self.shared.pending);
        *pending = pending.saturating_add(1);
        drop(pending);
        self.shared.raised.notify_one();
    }

    /// Waits for an event and takes it: false if none came within `timeout`.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.take(timeout, |pending| *pending -= 1)
    }

    /// Waits for an event and takes all that there are: for events that mean "look again".
    pub fn wait_all(&self, timeout: Duration) -> bool {
        self.take(timeout, |pending| *pending = 0)
    }

    /// Forgets what was raised until now.
    pub fn reset(&self) {
        *unpoisoned(&self.shared.pending) = 0;
    }

    fn take(&self, timeout: Duration, take: impl FnOnce(&mut u64)) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut pending = unpoisoned(&self.shared.pending);
        while *pending == 0 {
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            pending =
                self.shared.raised.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        take(&mut pending);
        true
    }
}
