//! QEMU on its way to a guest that answers: how long it may take, and what it says when it fails.

use crate::Result;
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// A boot that says nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(60);
/// A boot that is not done after so long has failed, whatever it says.
const BOOT: Duration = Duration::from_secs(300);
/// How often a machine is booted that locks up.
pub(crate) const ATTEMPTS: u32 = 3;

/// QEMU's process, which does not outlive this value.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// QEMU on its way to an answering agent.
pub(crate) struct Boot {
    pub(crate) process: Process,
    log: PathBuf,
    console: PathBuf,
    started: Instant,
}

impl Boot {
    /// Starts QEMU, which writes its own words into `log` and the guest's into `console`.
    pub(crate) fn start(qemu: &mut Command, log: PathBuf, console: PathBuf) -> Result<Boot> {
        let process = Process(qemu.spawn().map_err(|error| format!("cannot start QEMU: {error}"))?);
        Ok(Boot { process, log, console, started: Instant::now() })
    }

    /// Waits until QEMU connects.
    pub(crate) fn accept(&mut self, listener: &UnixListener) -> Result<UnixStream> {
        listener.set_nonblocking(true)?;
        let stream = self.wait_for(|| match listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(10));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Tries again and again, until it worked, QEMU has ended, or there is reason to give up.
    pub(crate) fn wait_for<T>(&mut self, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let (mut said, mut when) = (0, Instant::now());
        loop {
            let result = attempt();
            if let Ok(Some(value)) = result {
                return Ok(value);
            }
            let why = if let Err(error) = result {
                // QEMU about to end is what mostly is behind it.
                let ended = (0..50).find_map(|_| {
                    thread::sleep(Duration::from_millis(100));
                    self.process.0.try_wait().ok()?
                });
                ended.map_or(error.to_string(), |status| format!("QEMU has ended: {status}"))
            } else if let Some(status) = self.process.0.try_wait()? {
                format!("QEMU has ended: {status}")
            } else if fs::read(&self.console).is_ok_and(|text| locked_up(&text)) {
                return Err(LockedUp.into());
            } else if self.started.elapsed() > BOOT {
                format!("the boot was not done after {BOOT:?}")
            } else if when.elapsed() > SILENCE {
                format!("the console said nothing for {SILENCE:?}")
            } else {
                let size = fs::metadata(&self.console).map_or(0, |metadata| metadata.len());
                if size != said {
                    (said, when) = (size, Instant::now());
                }
                continue;
            };
            let tail = |path: &Path| {
                let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(30)..].join("\n")
            };
            let (qemu, console) = (tail(&self.log), tail(&self.console));
            return Err(format!("{why}\n--- QEMU said\n{qemu}\n--- the console's tail\n{console}").into());
        }
    }
}

/// The guest's kernel found a processor that did not move for half a minute, or whose timer did not wake it.
#[derive(Debug)]
pub(crate) struct LockedUp;

impl std::fmt::Display for LockedUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the emulated processor locked up in each of {ATTEMPTS} boots")
    }
}

impl std::error::Error for LockedUp {}

fn locked_up(console: &[u8]) -> bool {
    let text = String::from_utf8_lossy(console);
    ["BUG: soft lockup", "detected stalls on CPUs"].iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_up_is_told_from_other_silence() {
        let directory = tempfile::tempdir().unwrap();
        let console = directory.path().join("console.log");
        let process = || Process(Command::new("sleep").arg("100").spawn().unwrap());
        let boot = |text: &str| {
            fs::write(&console, text).unwrap();
            let log = directory.path().join("qemu.log");
            let started = Instant::now().checked_sub(BOOT * 2).unwrap();
            let mut boot = Boot { process: process(), log, console: console.clone(), started };
            boot.wait_for(|| Ok(None::<()>)).unwrap_err()
        };
        for words in [
            "[ 28.5] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [cryptomgr_test:52]",
            "[ 22.6] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        ] {
            assert!(boot(words).is::<LockedUp>(), "{words}");
        }
        let late = boot("[    0.0] Linux version");
        assert!(!late.is::<LockedUp>() && late.to_string().contains("Linux version"), "{late}");
    }
}
