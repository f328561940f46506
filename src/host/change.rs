//! The one place where the machine is changed: every write, in a few words, so that a test can stand in for the
//! kernel and fail any of them.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

/// What may be changed on a machine.
pub(super) trait Change: fmt::Debug + Send + Sync {
    /// Writes `text` in one call to a file that exists.
    fn write(&self, path: &Path, text: &str) -> io::Result<()>;
    /// Writes `text` in one call to a file that exists; `TimedOut` where the kernel has not taken it by then, and may
    /// still do.
    fn write_within(&self, path: &Path, text: &str, patience: Duration) -> io::Result<()>;
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

    fn write_within(&self, path: &Path, text: &str, patience: Duration) -> io::Result<()> {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        // A thread that waits in the kernel would keep this process from ending; a child is left to init.
        let mut child = Command::new("echo");
        let child = child.args(["-n", text]).stdin(Stdio::null()).stdout(file).stderr(Stdio::piped());
        within(child.env("LC_ALL", "C").spawn()?, patience)
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

/// Waits for a child that writes to sysfs; `TimedOut` where it does not end, and is left alone.
fn within(mut child: Child, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => break,
            None if Instant::now() >= deadline => return Err(io::ErrorKind::TimedOut.into()),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    // The one refusal of the kernel: another was quicker.
    Err(if said.contains("No such device") {
        Errno::ENODEV.into()
    } else {
        io::Error::other(said.trim().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_a_child_arrives_or_says_why_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        System.write_within(file.path(), "0000:00:03.0", Duration::from_secs(60)).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "0000:00:03.0");
        let error = System.write_within(Path::new("/nonexistent/x"), "x", Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = System.write_within(Path::new("/dev/full"), "x", Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
    }

    #[test]
    fn a_child_that_does_not_end_is_left_behind() {
        let mut sleeper = Command::new("sleep");
        let child = sleeper.arg("100").stderr(Stdio::null()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        assert_eq!(within(child, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(pid, None).unwrap();
    }
}
