//! `src/synchronize` of the library, on loom: the files under test are its own, their surroundings are models.

pub mod futex;
pub mod sync;
pub mod thread;

#[path = "../../../../src/synchronize/completion.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
mod completion;
#[path = "../../../../src/synchronize/lock.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod lock;
#[path = "../../../../src/synchronize/patience.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
mod patience;

pub use completion::Completion;
pub use dirql::synchronize::{Rank, SyncError};
pub use patience::Patience;

/// Nothing forks here.
pub mod fork {
    pub fn count() -> u32 {
        0
    }

    pub fn watch() {}
}

/// No model goes on after a panic.
fn unpoisoned<T>(mutex: &sync::Mutex<T>) -> sync::MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
