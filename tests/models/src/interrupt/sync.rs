//! What the phase is made of here.

pub use loom::sync::atomic::{AtomicU8, Ordering};
