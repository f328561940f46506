//! What needs a machine: one line a test, each decided by an observer outside the driver.
//!
//! `cargo test -p dirql-lab --test vm [FILTER]`, or everything with `cargo xtask test`.
#![forbid(unsafe_code)]

mod boot;

use dirql_lab::{Error, Result};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // A machine has two processors of its own: more than two at once only make each other slow.
    arguments.test_threads.get_or_insert(2);
    let tests = [boot::tests()];
    libtest_mimic::run(&arguments, tests.into_iter().flatten().collect()).exit();
}

/// An ordinary test from a function.
fn test(name: &str, run: fn() -> Result<()>) -> Trial {
    Trial::test(name, move || run().map_err(|error| Failed::from(error.to_string())))
}

/// Fails unless it holds.
fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::from(otherwise())) }
}
