//! Debian packages that the host needs: found, or installed after saying so.

use crate::{Result, progress};
use nix::unistd::geteuid;
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What a machine needs on the host: programs and files, each with the Debian package that holds it.
pub const MACHINE: &[(&str, &str)] = &[("qemu-system-x86_64", "qemu-system-x86")];

/// What tests, fuzzing and packing need besides.
pub const TESTS: &[(&str, &str)] =
    &[("dpkg-shlibdeps", "dpkg-dev"), ("c++", "g++"), (PROMETHEUS, "python3-prometheus-client")];

/// Prometheus's own parser of OpenMetrics.
const PROMETHEUS: &str = "/usr/lib/python3/dist-packages/prometheus_client/openmetrics/parser.py";

/// One installation at a time in this process.
static APT: Mutex<()> = Mutex::new(());

/// Finds everything that is needed, installing the packages of what is missing.
pub fn ensure(needed: &[(&str, &str)]) -> Result<()> {
    let _one = APT.lock();
    let missing: Vec<&str> =
        needed.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    let root = as_root().ok_or_else(|| {
        format!("the lab needs the package {wanted}, and neither root nor sudo is here to install it")
    })?;
    update()?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    progress::step(&format!("installing with apt-get: {wanted}"), || {
        run(privileged(&root, "apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    })
    .map_err(|error| format!("installing {wanted} failed: {error}"))?;
    match needed.iter().find(|(program, _)| find(program).is_none()) {
        None => Ok(()),
        Some((program, package)) => {
            Err(format!("{package} is installed, and still there is no {program}").into())
        }
    }
}

/// Refreshes the package lists, which takes root.
pub fn update() -> Result<()> {
    let root = as_root().ok_or("the package lists are missing or old: run `apt-get update` as root")?;
    progress::step("refreshing the package lists with apt-get update", || {
        run(privileged(&root, "apt-get").arg("update"))
    })
    .map_err(|error| format!("apt-get update failed: {error}"))?;
    Ok(())
}

/// Where `PATH` has this program; a file that is named by its whole path is there.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Runs a command, and fails with all that it said.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said).trim_end()).into())
}

/// The words before a command that has to run as root; none at all if there is no way.
fn as_root() -> Option<Vec<&'static str>> {
    if geteuid().is_root() {
        return Some(vec![]);
    }
    let sudo = vec!["sudo", "-n"];
    let works =
        Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    works.then_some(sudo)
}

fn privileged(root: &[&str], program: &str) -> Command {
    let mut words = root.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}
