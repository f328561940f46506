//! The library's and the drivers' suites on the model, under AddressSanitizer and, where it works, LeakSanitizer.
//!
//! The compiler that the workspace is built with ships both runtimes; only its flag is not stable yet.

use crate::cargo::{cargo, root};
use dirql_lab::Result;
use std::env::consts::ARCH;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const FLAG: &str = "-Zsanitizer=address";
/// Lets a stable compiler take the flag.
const UNSTABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");
/// Build directory of its own, so that the ordinary one stays as it is.
const DIRECTORY: &str = "target/asan";

/// Threads that end as in a crash, so that the sanitizer takes their stacks for alive and cannot scan them; and a
/// payload that is forgotten because dropping it panics. They run too, but without a search for leaks.
const LEAKING: [&str; 3] = [
    "the_death_of_an_owner",
    "a_dead_owner_is_told",
    "r10_what_a_handler_panicked_with_and_what_it_owned_may_panic_too",
];
/// They count what the process does, and with it what the sanitizer does: its allocator's mappings, its system calls.
const COUNTING: [&str; 4] = [
    "a_hundred_starts_and_stops_leave_nothing_behind",
    "r14_a_section_on_a_masked_thread_makes_no_system_call",
    "r14_nor_does_a_section_of_a_vector",
    "what_a_queue_counts_is_shown_without_a_system_call",
];
/// The soak makes 100,000 connections and looks at the memory of its process, where the sanitizer keeps a record of each
/// thread that there was. So many times fewer will do.
const SCALE: (&str, &str) = ("DIRQL_TEST_SCALE", "50");

/// Builds the suites with the sanitizer and runs them.
pub fn run(arguments: &[String]) -> Result<()> {
    let leaks = finds_leaks()?;
    // A SIGBUS is the suites' own, in handlers and in children that are to die of it. 16 MiB of freed memory are kept to
    // see whether it is used: with the 256 of the default the soak would count those.
    let options = |leaks| format!("handle_sigbus=0:quarantine_size_mb=16:detect_leaks={}", u8::from(leaks));
    let mut most: Vec<&str> = LEAKING.iter().chain(&COUNTING).flat_map(|name| ["--skip", *name]).collect();
    most.extend(arguments.iter().map(String::as_str));
    suites(&["dirql", "dirql-bochs", "dirql-edu", "dirql-e1000", "dirql-virtio"], &most, &options(leaks))?;
    suites(&["dirql"], &LEAKING, &options(false))
}

fn suites(packages: &[&str], arguments: &[&str], options: &str) -> Result<()> {
    let target = target();
    let mut words = vec!["test", "--tests", "--no-fail-fast", "--target-dir", DIRECTORY, "--target", &target];
    packages.iter().for_each(|package| words.extend(["--package", package]));
    words.push("--");
    words.extend(arguments);
    // With a target named, build scripts and procedural macros are built without the flag.
    let lines = ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    cargo(&words, &[UNSTABLE, ("RUSTFLAGS", FLAG), ("ASAN_OPTIONS", options), SCALE, lines])
}

fn target() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}

/// Whether a leak made on purpose is found here. LeakSanitizer attaches to its own process, which a container may forbid.
fn finds_leaks() -> Result<bool> {
    const LEAK: &str = "fn main() { for i in 0..100 { std::mem::forget(Box::new(i)) } }";
    let directory = root().join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    let (source, probe): (PathBuf, PathBuf) = (directory.join("leak.rs"), directory.join("leak"));
    fs::write(&source, LEAK)?;
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(compiler)
        .args([FLAG, "--target", &target(), "-o"])
        .args([&probe, &source])
        .env(UNSTABLE.0, UNSTABLE.1)
        .status()?;
    if !built.success() {
        return Err(format!("rustc {FLAG}: {built}").into());
    }
    let output = Command::new(probe).env("ASAN_OPTIONS", "detect_leaks=1").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let finds = !output.status.success() && said.contains("detected memory leaks");
    println!("leaks are {}looked for", if finds { "" } else { "not " });
    if !finds {
        println!("because a leak made on purpose was not found: {}", said.trim());
    }
    Ok(finds)
}
