//! The command, run to its end, and what it said.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use serde_json::Value;

/// When it hangs. It takes a fraction of a second, on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The line that was typed.
    pub line: String,
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Runs `dirql` with these words, prepared so, without a terminal anywhere.
    pub fn of<S: AsRef<str>>(words: &[S], prepare: impl FnOnce(&mut Command)) -> Self {
        let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dirql"));
        command.args(&words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        plain(&mut command);
        prepare(&mut command);
        Self::run(command, format!("dirql {}", words.join(" ")))
    }

    /// Runs a command to its end.
    pub fn run(mut command: Command, line: String) -> Self {
        let mut child = command.spawn().unwrap();
        // Prepared pipes end with the child, not with us.
        drop(command);
        let (pid, begun) = (child.id(), Instant::now());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let reading = [
            std::thread::spawn(move || stdout.map(|from| std::io::read_to_string(from).unwrap())),
            std::thread::spawn(move || stderr.map(|from| std::io::read_to_string(from).unwrap())),
        ];
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > DEADLINE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{line} (process {pid}) does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let [stdout, stderr] = reading.map(|thread| thread.join().unwrap().unwrap_or_default());
        Self { line, code: status.code(), stdout, stderr }
    }

    /// The one document of stdout.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one document of stderr, which says the exit code.
    pub fn error(&self) -> Value {
        let document: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let error = &document["error"];
        assert_eq!(error["exit_code"].as_i64(), self.code.map(i64::from), "{self:?}");
        let keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        let all =
            ["code", "device", "errno", "exit_code", "fix", "iova", "length", "operation", "path", "why"];
        assert_eq!(keys, all, "{self:?}");
        assert!(error["operation"].is_string(), "{self:?}");
        document
    }
}

/// What a terminal showed, and how the command ended.
#[derive(Debug)]
pub struct Shown {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// stdout and stderr, as they came.
    pub text: String,
}

impl Shown {
    /// Runs `dirql` with these words, prepared so, on a terminal with so many columns.
    pub fn on_a_terminal(columns: u16, words: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dirql"));
        plain(&mut command);
        command.args(words).stdin(Stdio::null());
        command.stdout(pair.slave.try_clone().unwrap()).stderr(pair.slave);
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut terminal, mut shown) = (std::fs::File::from(pair.master), Vec::new());
        // Once nobody has the other end, reading ends with EIO.
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = terminal.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..length]);
        }
        let code = child.wait().unwrap().code();
        Self { code, text: String::from_utf8(shown).unwrap().replace("\r\n", "\n") }
    }
}

/// An environment that says nothing of terminals, colours or logs.
pub fn plain(command: &mut Command) {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "RUST_LOG", "RUST_LOG_STYLE", "TERM"] {
        command.env_remove(name);
    }
}
