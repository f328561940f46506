//! What the phase is made of, in one place: its models in `tests/models` are made of something else.

pub use std::sync::atomic::{AtomicU8, Ordering};
