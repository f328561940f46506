//! Cargo, at the root of the workspace.

use dirql_lab::Result;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo with these words, to be run there.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// Runs cargo, and says so.
pub fn cargo(words: &[impl AsRef<str>], environment: &[(&str, &str)]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    println!("$ cargo {}", words.join(" "));
    let status = command(&words).envs(environment.iter().copied()).status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo {}: {status}", words[0]).into()) }
}
