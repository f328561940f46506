//! What phase, slot and backlog are made of here.

pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

pub use super::park::{Thread, park_timeout};
