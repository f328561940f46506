//! What phase, slot and backlog are made of, in one place: their models in `tests/models` are made of something else.

pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
pub use std::thread::{Thread, park_timeout};
