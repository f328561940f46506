//! The one place where the machine is changed: every write, in six words, so that a test can stand in for the
//! kernel and fail any of them.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// What may be changed on a machine.
pub(super) trait Change: fmt::Debug + Send + Sync {
    /// Writes `text` in one call to a file that exists.
    fn write(&self, path: &Path, text: &str) -> io::Result<()>;
    /// Gives a node to a user and group (`None` leaves it) and sets its mode.
    fn give(&self, path: &Path, uid: Option<u32>, gid: Option<u32>, mode: u32) -> io::Result<()>;
    /// Replaces a file by `bytes`, whole or not at all, and makes its directory.
    fn save(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Loads a kernel module.
    fn load(&self, module: &str) -> io::Result<()> {
        self.run("modprobe", &["--", module])
    }
    /// Runs a program of the system to its end.
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<()>;
}

/// The real machine.
#[derive(Debug)]
pub(super) struct System;

impl Change for System {
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        // No create, no truncate: sysfs has neither, and a missing file must not come to be.
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        file.write_all(text.as_bytes())
    }

    fn give(&self, path: &Path, uid: Option<u32>, gid: Option<u32>, mode: u32) -> io::Result<()> {
        std::os::unix::fs::lchown(path, uid, gid)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    fn save(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let Some(directory) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first failure is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<()> {
        // Besides $PATH: an administrator's programs are where a plain user's $PATH may not look.
        for place in ["", "/sbin/", "/usr/sbin/"] {
            let run = Command::new(format!("{place}{program}")).args(arguments).stdin(Stdio::null()).output();
            match run {
                Ok(output) if output.status.success() => return Ok(()),
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    return Err(io::Error::other(said.trim().to_string()));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {program} on this machine")))
    }
}
