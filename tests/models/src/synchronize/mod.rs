//! `src/synchronize` of the library, on loom: the files under test are its own, their surroundings are models.

pub mod futex;
pub mod sync;
pub mod thread;

#[path = "../../../../src/synchronize/lock.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod lock;
#[path = "../../../../src/synchronize/patience.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
mod patience;

pub use dirql::synchronize::{Rank, SyncError};
pub use patience::Patience;

/// Nothing forks here.
pub mod fork {
    pub fn count() -> u32 {
        0
    }

    pub fn watch() {}
}
