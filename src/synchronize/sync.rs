//! What lock and completion are made of, in one place: their models in `tests/models` are made of something else.

pub use std::hint::spin_loop;
pub use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
pub use std::sync::{Arc, Condvar, Mutex};
pub use std::thread::{sleep, yield_now};

/// How often a waiter looks at the word, with pauses that double, before it lets another thread run, which may be the
/// owner.
pub const LOOKS: u32 = 9;
/// How often it then does so before the kernel queues it. Once somebody is queued, the kernel hands the lock from one
/// to the next by a context switch each, so it pays to come here seldom.
pub const YIELDS: u32 = 16;
