//! What needs a machine: one line a test, each decided by an observer outside the driver.
//!
//! `cargo test -p dirql-lab --test vm [FILTER]`, or everything with `cargo xtask test`.
#![forbid(unsafe_code)]

mod binding;
mod bochs;
mod boot;
mod causes;
mod confine;
mod deb;
mod display;
mod doctor;
mod documents;
mod errors;
mod frames;
mod http;
mod in_use;
mod info;
mod kill;
mod library;
mod nics;
mod observe;
mod permissions;
mod persist;
mod random;
mod refusals;
mod registers;
mod removal;
mod stack;
mod stats;
mod tap;
mod traffic;
mod waiting;

use dirql_lab::{Error, Machine, Net, Result};
use libtest_mimic::{Arguments, Failed, Trial};

/// Where [`bound`] has its e1000.
const NIC: &str = "0000:00:03.0";
/// Where [`bound`] has its edu.
const EDU: &str = "0000:00:04.0";

fn main() {
    let mut arguments = Arguments::from_args();
    // A machine has two processors of its own: more than two at once only make each other slow.
    arguments.test_threads.get_or_insert(2);
    let tests = [
        boot::tests(),
        library::tests(),
        binding::tests(),
        refusals::tests(),
        in_use::tests(),
        persist::tests(),
        confine::tests(),
        causes::tests(),
        doctor::tests(),
        documents::tests(),
        registers::tests(),
        info::tests(),
        permissions::tests(),
        deb::tests(),
        traffic::tests(),
        kill::tests(),
        waiting::tests(),
        tap::tests(),
        stack::tests(),
        errors::tests(),
        removal::tests(),
        observe::tests(),
        stats::tests(),
        display::tests(),
        bochs::tests(),
        random::tests(),
    ];
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

/// A machine with an e1000 and an edu that the user demo owns.
fn bound(name: &str, net: Net) -> Result<Machine> {
    let machine = Machine::builder(name)
        .nic("lan", "e1000,addr=03.0,mac=52:54:00:d1:60:01", net)
        .device("edu,addr=04.0")
        .module("e1000")
        .boot()?;
    machine.root(&format!("dirql bind {NIC} {EDU} --owner demo"))?.ok()?;
    Ok(machine)
}
