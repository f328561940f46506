//! What phase and slot are made of here.

pub use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering};

pub use super::park::{Thread, park_timeout};
