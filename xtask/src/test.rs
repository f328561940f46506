//! Everything that has to hold before a change is taken, step by step, each with its time.

use crate::cargo::cargo;
use clap::ValueEnum;
use dirql_lab::{Result, install};
use std::time::{Duration, Instant};

/// A step of `cargo xtask test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Put missing packages on this machine and fetch the guest's kernel
    Install,
    /// cargo fmt --check
    Fmt,
    /// cargo clippy, warnings are errors
    Clippy,
    /// cargo doc, warnings are errors
    Doc,
    /// cargo test: unit, documentation and driver tests, no machine
    Unit,
    /// The suites of the library and the drivers under AddressSanitizer, no machine
    Asan,
    /// The models of the lock and its neighbours, as they are and broken in every way that they must notice
    Models,
    /// The fuzz targets, from what was kept and some seconds on
    Fuzz,
    /// The tests in virtual machines
    Vm,
}

/// Runs the steps, or all of them, to the end; fails if one did.
pub fn run(steps: &[Step], arguments: &[String]) -> Result<()> {
    let steps = if steps.is_empty() { Step::value_variants() } else { steps };
    let mut done: Vec<(Step, Duration, bool)> = Vec::new();
    for &step in steps {
        println!("\n=== {}", step.name());
        let start = Instant::now();
        let result = step.run(arguments);
        if let Err(error) = &result {
            eprintln!("error: {error}");
        }
        let time = start.elapsed();
        println!("=== {}: {} in {:.1} s", step.name(), word(result.is_ok()), time.as_secs_f64());
        done.push((step, time, result.is_ok()));
        if step == Step::Install && result.is_err() {
            break;
        }
    }
    println!();
    for (step, time, ok) in &done {
        println!("{:10} {:6} {:7.1} s", step.name(), word(*ok), time.as_secs_f64());
    }
    if done.iter().all(|(.., ok)| *ok) { Ok(()) } else { Err("not everything holds".into()) }
}

fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self, arguments: &[String]) -> Result<()> {
        let with = |words: &[&str]| -> Vec<String> {
            let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            if !arguments.is_empty() {
                words.push("--".into());
                words.extend_from_slice(arguments);
            }
            words
        };
        match self {
            Step::Install => {
                install::ensure(&[install::MACHINE, install::TESTS].concat())?;
                dirql_lab::package::unpacked(dirql_lab::initramfs::BUSYBOX)?;
                dirql_lab::package::kernel()
                    .map(|kernel| println!("the guest's kernel is {}", kernel.release))
            }
            Step::Fmt => cargo(&["fmt", "--all", "--check"], &[]),
            Step::Clippy => cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
            Step::Doc => cargo(&["doc", "--no-deps", "--workspace"], &[("RUSTDOCFLAGS", "-D warnings")]),
            Step::Unit => {
                cargo(
                    &with(&["test", "--workspace", "--exclude", "dirql-lab", "--exclude", "dirql-models"]),
                    &[],
                )?;
                if arguments.is_empty() {
                    // Not as `cargo bench`: each row once, to see that it runs.
                    cargo(&["test", "--package", "dirql", "--bench", "synchronize"], &[])?;
                }
                cargo(&with(&["test", "--package", "dirql-lab", "--lib"]), &[])?;
                cargo(&with(&["test", "--package", "dirql-lab", "--doc"]), &[])
            }
            Step::Asan => crate::asan::run(arguments),
            Step::Models => crate::models::run(),
            Step::Fuzz => crate::fuzz::run(&crate::fuzz::Options::default()),
            Step::Vm => cargo(&with(&["test", "--package", "dirql-lab", "--test", "vm"]), &[]),
        }
    }
}
