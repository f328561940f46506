//! The library's own source files, model-checked. `README.md` tells how it works.
#![cfg(test)]
// Loom's own `Arc` aborts where the panic of a deadlock drops it, and then no model is seen to fail.
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads are not the system's, and its cells not `Sync`"
)]

mod backlog;
mod class;
mod connection;
mod interrupt;
mod lock;
mod napi;
mod slot;
mod synchronize;

use dirql::{Error, Result};

/// Every interleaving in which threads are interrupted so often, where a bound is told.
fn model(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(body);
}
