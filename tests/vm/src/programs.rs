//! What runs in the guest besides busybox: the agent and the `dirql` command, built here, with their shared libraries.

use crate::{Result, install};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The programs, built.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The guest agent.
    pub agent: PathBuf,
    /// The command under test.
    pub dirql: PathBuf,
    /// cargo's target directory: artifacts of the lab go below it.
    pub target: PathBuf,
}

/// Builds the programs, once in a process.
pub fn build() -> Result<&'static Programs> {
    static BUILT: OnceLock<std::result::Result<Programs, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build_now().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| error.clone().into())
}

fn build_now() -> Result<Programs> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "dirql-cli", "--package", "dirql-lab-agent"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err("building dirql and the lab's agent failed".into());
    }
    let mut built = [None, None];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let Some(path) = message["executable"].as_str() else { continue };
        match message["target"]["name"].as_str() {
            Some("dirql-lab-agent") => built[0] = Some(PathBuf::from(path)),
            Some("dirql") => built[1] = Some(PathBuf::from(path)),
            _ => {}
        }
    }
    let [Some(agent), Some(dirql)] = built else { return Err("cargo named no executable".into()) };
    let target = dirql.ancestors().nth(2).ok_or("dirql was built in no target directory")?.to_owned();
    Ok(Programs { agent, dirql, target })
}

/// The shared libraries of a program as (path in the guest, path here); the loader that the program names is one of them.
pub fn libraries(program: &Path) -> Result<Vec<(String, PathBuf)>> {
    let text = String::from_utf8(install::run(Command::new("ldd").arg(program))?)?;
    // `name => /path (address)`, `/path/of/the/loader (address)`, or a name without a file (the vDSO).
    let file = |line: &str| {
        let path = line.rsplit("=>").next()?.trim().split(" (").next()?;
        path.starts_with('/').then(|| (path.to_owned(), PathBuf::from(path)))
    };
    Ok(text.lines().filter_map(file).collect())
}
