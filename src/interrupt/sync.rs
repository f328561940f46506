//! What phase and slot are made of, in one place: their models in `tests/models` are made of something else.

pub use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
pub use std::thread::{Thread, park_timeout};
