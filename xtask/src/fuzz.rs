//! The fuzz targets under libFuzzer, which sees what an input reaches and goes on from there.
//!
//! The compiler that the workspace is built with has what that takes in its LLVM; only the flags are not rustc's own.

use crate::cargo::{cargo, root};
use dirql_lab::{Result, install};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What makes coverage seen: a counter an edge, and the operands of comparisons.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Fast, and with the checks that a test has.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
];
/// Build directory of its own, so that the ordinary one stays as it is.
const DIRECTORY: &str = "target/fuzz";
/// Seconds for each target, unless told otherwise.
const SECONDS: u32 = 3;
/// What an input may take, in seconds and MiB. A promise, like the others.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];

/// What is fuzzed, and for how long.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The targets; else all
    targets: Vec<String>,
    /// How long each is fuzzed, in seconds, from what was kept
    #[arg(long, value_name = "N", default_value_t = SECONDS)]
    seconds: u32,
    /// Keep what is new of what was found, as little of it as reaches the same
    #[arg(long)]
    keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { targets: Vec::new(), seconds: SECONDS, keep: false }
    }
}

/// Builds the targets and fuzzes each, to the end; fails if one did.
pub fn run(options: &Options) -> Result<()> {
    install::ensure(install::TESTS)?;
    let fuzzer = build()?;
    let all = targets()?;
    if let Some(unknown) = options.targets.iter().find(|target| !all.contains(target)) {
        return Err(format!("{unknown} is no target: there are {}", all.join(", ")).into());
    }
    let chosen = if options.targets.is_empty() { &all } else { &options.targets };
    let mut failed = Vec::new();
    for target in chosen {
        let run = Run { fuzzer: &fuzzer, target };
        let start = Instant::now();
        let result = run.fuzz(options.seconds).and_then(|()| if options.keep { run.keep() } else { Ok(()) });
        println!("{target}: {:.1} s", start.elapsed().as_secs_f64());
        if let Err(error) = result {
            eprintln!("error: {target}: {error}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("fuzzing failed: {}", failed.join(", ")).into()) }
}

/// The program, built for this.
fn build() -> Result<PathBuf> {
    // With a target named, build scripts and procedural macros are built without the flags.
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut variables = PROFILE.to_vec();
    variables.push(("RUSTFLAGS", FLAGS));
    let words = ["build", "--package", "dirql-fuzz", "--features", "libfuzzer", "--release"];
    let places = ["--target-dir", DIRECTORY, "--target", &target];
    cargo(&[&words[..], &places].concat(), &variables)?;
    Ok(root().join(DIRECTORY).join(target).join("release/fuzz"))
}

/// The targets by their directories, each of which a test knows.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

struct Run<'a> {
    fuzzer: &'a Path,
    target: &'a str,
}

impl Run<'_> {
    fn kept(&self) -> PathBuf {
        root().join("fuzz/corpus").join(self.target)
    }

    /// Where what is found goes. It is gone on with the next time.
    fn found(&self) -> PathBuf {
        root().join(DIRECTORY).join("found").join(self.target)
    }

    fn fuzz(&self, seconds: u32) -> Result<()> {
        let (found, artifacts) = (self.found(), root().join(DIRECTORY).join("failures"));
        fs::create_dir_all(&artifacts)?;
        let prefix = format!("-artifact_prefix={}/{}-", artifacts.display(), self.target);
        let time = format!("-max_total_time={seconds}");
        let mut words = vec![time.as_str(), &prefix, "-print_final_stats=1", "-verbosity=0"];
        words.extend(LIMITS);
        self.call(&words, &[&found, &self.kept()], seconds)
    }

    /// Replaces what was kept by as little as reaches the same and what was found.
    fn keep(&self) -> Result<()> {
        let merged = root().join(DIRECTORY).join("merged").join(self.target);
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        // What broke a promise once stays, whatever it reaches.
        for entry in fs::read_dir(self.kept())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("broke-") {
                fs::copy(entry.path(), merged.join(entry.file_name()))?;
            }
        }
        let mut words = vec!["-set_cover_merge=1", "-verbosity=0"];
        words.extend(LIMITS);
        self.call(&words, &[&merged, &self.kept(), &self.found()], 600)?;
        fs::remove_dir_all(self.kept())?;
        fs::create_dir_all(self.kept())?;
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            fs::copy(entry.path(), self.kept().join(entry.file_name()))?;
        }
        Ok(())
    }

    fn call(&self, words: &[&str], directories: &[&Path], seconds: u32) -> Result<()> {
        let temporary = root().join(DIRECTORY).join("temporary").join(self.target);
        for directory in directories.iter().copied().chain([temporary.as_path()]) {
            fs::create_dir_all(directory)?;
        }
        println!("{}: {}", self.target, words.join(" "));
        let mut child = Command::new(self.fuzzer)
            .args(words)
            .args(directories)
            .env("DIRQL_FUZZ_TARGET", self.target)
            .env("TMPDIR", &temporary)
            .env("XDG_RUNTIME_DIR", &temporary)
            // A thread's own arena costs more than what the thread does.
            .env("MALLOC_ARENA_MAX", "1")
            .spawn()?;
        // It ends by itself; but a hang of what it runs may be one of all its threads.
        let deadline = Instant::now() + Duration::from_secs(u64::from(seconds) + 120);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                return Err(format!("it has not ended in {seconds} s and two minutes").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        fs::remove_dir_all(&temporary)?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}
