//! `src/interrupt` of the library, on loom: the files under test are its own, their surroundings are models.

pub mod eventfd;
pub mod sync;

#[path = "../../../../src/interrupt/phase.rs"]
#[allow(dead_code, missing_docs, reason = "the library uses the rest")]
pub mod phase;

pub use eventfd::Eventfd;
