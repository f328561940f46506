//! `src/interrupt` of the library, on loom: the files under test are its own, their surroundings are models.

pub mod eventfd;
pub mod park;
pub mod sync;

#[path = "../../../../src/interrupt/backlog.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod backlog;
#[path = "../../../../src/interrupt/phase.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod phase;
#[path = "../../../../src/interrupt/slot.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod slot;

pub use dirql::interrupt::Wait;
pub use eventfd::Eventfd;
