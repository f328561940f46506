//! Runs one target under libFuzzer, whose own options are on the command line. `cargo xtask fuzz` builds it with what
//! makes coverage seen.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// Names the target.
const TARGET: &str = "DIRQL_FUZZ_TARGET";

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var(TARGET).unwrap_or_default();
        match dirql_fuzz::target(&name) {
            Some(run) => RUN.get_or_init(|| run),
            None => {
                eprintln!("error: {TARGET}={name:?} names no target");
                std::process::exit(2);
            }
        };
    },
    |bytes: &[u8]| {
        if let Some(run) = RUN.get() {
            run(bytes);
        }
    }
);
