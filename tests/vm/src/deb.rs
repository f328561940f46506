//! The Debian package of the command, as `cargo deb` makes it.
//!
//! What it packs is built here: the command as the lab's guest has it, the pages and completions by that command itself.
//! `cargo-deb` is built once, into the cache.

use crate::{Result, install, package, programs, progress};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// The version of cargo-deb. Another one is built beside it.
const CARGO_DEB: &str = "3.8.0";
/// The completions, as their shells look for them.
const COMPLETIONS: [(&str, &str); 3] = [("bash", "dirql"), ("zsh", "_dirql"), ("fish", "dirql.fish")];

/// Makes the package, and gives its path.
///
/// # Errors
/// Where something cannot be built, or the package lacks what it should have.
pub fn build() -> Result<PathBuf> {
    install::ensure(install::TESTS)?;
    let programs = programs::build()?;
    let dirql = programs
        .executables
        .iter()
        .find(|path| path.file_name().is_some_and(|name| name == "dirql"))
        .ok_or("there is no dirql among the programs")?;
    // Where `[package.metadata.deb]` looks for it: `target/release` stands for cargo's own directory there.
    let material = programs.target.join("release/package");
    if material.exists() {
        fs::remove_dir_all(&material)?;
    }
    let (man, completions) = (material.join("man"), material.join("completions"));
    fs::create_dir_all(&completions)?;
    install::run(Command::new(dirql).arg("man").arg(&man))?;
    let pages = fs::read_dir(&man)?.map(|page| Ok(page?.path())).collect::<std::io::Result<Vec<_>>>()?;
    install::run(Command::new("gzip").args(["-9", "-n"]).args(pages))?;
    for (shell, name) in COMPLETIONS {
        fs::write(completions.join(name), install::run(Command::new(dirql).args(["completions", shell]))?)?;
    }
    let target = material.join("dirql.deb");
    // The best compression takes minutes, for little.
    let mut command = Command::new(cargo_deb()?);
    command.args(["deb", "--no-build", "--package", "dirql-cli", "--fast", "--quiet", "--output"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    install::run(command.arg(&target).env("CARGO_TARGET_DIR", &programs.target).current_dir(root))?;
    Ok(target)
}

/// The program, which is built where it is not there yet. It is no part of what is tested: little is optimised.
fn cargo_deb() -> Result<PathBuf> {
    let root = package::cache()?.join(format!("cargo-deb_{CARGO_DEB}"));
    let program = root.join("bin/cargo-deb");
    if program.is_file() {
        return Ok(program);
    }
    progress::step(&format!("building cargo-deb {CARGO_DEB} into {}", root.display()), || {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["install", "cargo-deb", "--version", CARGO_DEB, "--locked", "--no-default-features"]);
        command.arg("--root").arg(&root).stdin(Stdio::null());
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        install::run(&mut command).map(drop)
    })?;
    Ok(program)
}
