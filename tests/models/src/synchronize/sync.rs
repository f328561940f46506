//! What lock and completion are made of here.

pub use loom::hint::spin_loop;
pub use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
pub use loom::sync::{Condvar, Mutex, MutexGuard};
pub use loom::thread::yield_now;
pub use std::sync::Arc;
use std::time::Duration;

/// Each look is a branch to explore: one of each kind.
pub const LOOKS: u32 = 1;
pub const YIELDS: u32 = 1;

/// No time goes by in a model: others run.
pub fn sleep(_: Duration) {
    yield_now();
}
