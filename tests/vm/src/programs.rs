//! What runs in the guest besides busybox: the agent, the `dirql` command, the probe and an example, built here, with their shared
//! libraries.

use crate::{Result, install};
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The programs, built.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The executables, each in `/usr/bin` of the guest.
    pub executables: Vec<PathBuf>,
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

/// The packages with an executable for the guest.
const PACKAGES: [&str; 3] = ["dirql-lab-agent", "dirql-lab-probe", "dirql-cli"];

/// An example that runs in the guest, and its package.
const EXAMPLE: [&str; 2] = ["http_get", "dirql-phy"];

fn build_now() -> Result<Programs> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(cargo)
        .args(["build", "--release"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .args(["--package", EXAMPLE[1], "--bins", "--example", EXAMPLE[0]])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err("building dirql and the lab's agent failed".into());
    }
    let messages = String::from_utf8(output.stdout)?;
    let executables: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    if executables.len() != PACKAGES.len() + 1 {
        return Err(format!("cargo built {executables:?} from {PACKAGES:?} and {EXAMPLE:?}").into());
    }
    // The example's directory is below that of the others.
    let program = executables.iter().find(|path| !path.ends_with(Path::new("examples").join(EXAMPLE[0])));
    let target = program
        .and_then(|path| path.ancestors().nth(2))
        .ok_or("cargo built in no target directory")?
        .to_owned();
    Ok(Programs { executables, target })
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
