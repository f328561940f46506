//! The client of the guest's agent: commands as root or as an ordinary user, each with a deadline.

use crate::Result;
use dirql_lab_agent::{Call, End, Program, Reply, Request, Response};
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a command may take unless told otherwise: generous, because it only ends what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer than its own deadline an answer may be under way.
const GRACE: Duration = Duration::from_secs(15);

/// A way into the guest; clones share it.
#[derive(Clone)]
pub struct Guest {
    line: Arc<Line>,
}

struct Line {
    writer: Mutex<UnixStream>,
    pending: Mutex<Option<HashMap<u64, Sender<Reply>>>>,
    next: AtomicU64,
}

impl Guest {
    /// Takes over the agent's port, on which the agent has not yet spoken. `hello` hears of it when it does.
    pub(crate) fn new(stream: UnixStream, hello: Sender<()>) -> Result<Guest> {
        let reader = BufReader::new(stream.try_clone()?);
        let pending = Mutex::new(Some(HashMap::new()));
        let line = Arc::new(Line { writer: Mutex::new(stream), pending, next: AtomicU64::new(1) });
        let listener = line.clone();
        thread::spawn(move || {
            for text in reader.lines() {
                let Ok(text) = text else { break };
                match serde_json::from_str::<Response>(&text) {
                    Ok(Response { reply: Reply::Hello, .. }) => drop(hello.send(())),
                    Ok(Response { id, reply }) => listener.deliver(id, reply),
                    Err(error) => eprintln!("lab: the agent said what nobody understands: {error}: {text}"),
                }
            }
            // Whoever still waits hears that the guest is gone: its sender is dropped.
            *listener.pending.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        Ok(Guest { line })
    }

    /// Runs a command as root; words are separated by blanks.
    pub fn root(&self, words: &str) -> Result<Output> {
        self.command(words).run()
    }

    /// Runs a command as an ordinary user.
    pub fn user(&self, user: &str, words: &str) -> Result<Output> {
        self.command(words).user(user).run()
    }

    /// Runs a line of shell as root.
    pub fn shell(&self, line: &str) -> Result<Output> {
        self.argv(["sh", "-c", line]).run()
    }

    /// A command that is about to run; words are separated by blanks.
    pub fn command(&self, words: &str) -> Command {
        self.argv(words.split_whitespace())
    }

    /// A command that is about to run, word by word.
    pub fn argv<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let argv = words.into_iter().map(str::to_owned).collect();
        let program = Program { argv, user: "root".into(), ..Program::default() };
        Command { guest: self.clone(), program, timeout: PATIENCE }
    }

    /// The guest kernel's log.
    pub fn kernel_log(&self) -> Result<String> {
        Ok(self.root("dmesg")?.ok()?.text())
    }

    /// The lines of the kernel's log in which the IOMMU reports a fault.
    pub fn dmar_faults(&self) -> Result<Vec<String>> {
        let fault =
            |line: &&str| line.contains("DMAR") && line.contains("fault") || line.contains("dmar_fault");
        Ok(self.kernel_log()?.lines().filter(fault).map(str::to_owned).collect())
    }

    fn ask(&self, call: Call, timeout: Duration) -> Result<Reply> {
        let id = self.line.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = channel();
        match &mut *self.line.pending.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(pending) => drop(pending.insert(id, sender)),
            None => return Err("the guest's agent has gone".into()),
        }
        let what = format!("{call:?}");
        let mut text = serde_json::to_vec(&Request { id, call })?;
        text.push(b'\n');
        self.line.writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)?;
        match receiver.recv_timeout(timeout + GRACE) {
            Ok(Reply::Failed { why }) => Err(format!("in the guest: {why}").into()),
            Ok(reply) => Ok(reply),
            Err(error) => Err(format!("no answer from the guest's agent ({error}) to {what}").into()),
        }
    }
}

impl Line {
    fn deliver(&self, id: u64, reply: Reply) {
        let sender = match &mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(pending) => pending.remove(&id),
            None => None,
        };
        // Nobody waits any more for an answer that came too late.
        sender.map(|sender| sender.send(reply));
    }
}

/// A command that is about to run in the guest.
pub struct Command {
    guest: Guest,
    program: Program,
    timeout: Duration,
}

impl Command {
    /// Runs it as this user instead of root.
    pub fn user(mut self, user: &str) -> Self {
        self.program.user = user.to_owned();
        self
    }

    /// Adds to its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.program.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// What it reads from standard input.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.program.stdin = input.into();
        self
    }

    /// Its `RLIMIT_MEMLOCK` in bytes.
    pub fn memlock(mut self, bytes: u64) -> Self {
        self.program.memlock = Some(bytes);
        self
    }

    /// How long it may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end. It is an error if it cannot start or does not end in time; how it ends is not.
    pub fn run(self) -> Result<Output> {
        let timeout = self.timeout;
        self.spawn()?.wait(timeout)
    }

    /// Starts it.
    pub fn spawn(self) -> Result<Running> {
        let (guest, words) = (self.guest, format!("{}$ {}", self.program.user, self.program.argv.join(" ")));
        match guest.ask(Call::Spawn(self.program), Duration::ZERO)? {
            Reply::Started { pid } => Ok(Running { guest, pid, words }),
            other => Err(format!("the agent answered a start with {other:?}").into()),
        }
    }
}

/// A command that runs in the guest.
pub struct Running {
    guest: Guest,
    pid: i32,
    words: String,
}

impl Running {
    /// Its process id in the guest.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends it a signal by number.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let call = Call::Signal { pid: self.pid, signal, group: false };
        self.guest.ask(call, Duration::ZERO).map(drop)
    }

    /// Waits until its output so far is as wanted; it is an error if it ends before, or is too late.
    pub fn until(&self, timeout: Duration, wanted: impl Fn(&Output) -> bool) -> Result<Output> {
        let deadline = Instant::now() + timeout;
        let mut seen = (0, 0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let call = Call::Output { pid: self.pid, seen, timeout_ms: milliseconds(left) };
            let (end, output) = self.output(self.guest.ask(call, left)?)?;
            if wanted(&output) {
                return Ok(output);
            }
            if end.is_some() || left.is_zero() {
                let what = if end.is_some() { "it ended" } else { "the time was over" };
                return Err(format!("{what} before the output was as wanted\n{output}").into());
            }
            seen = (output.stdout.len(), output.stderr.len());
        }
    }

    /// Waits for its end and shows its output as it comes.
    pub fn wait_showing(self, timeout: Duration, target: &mut impl Write) -> Result<Output> {
        let deadline = Instant::now() + timeout;
        let mut seen = (0, 0);
        let mut show = |output: &Output| -> Result<()> {
            target.write_all(&output.stdout[seen.0..])?;
            target.write_all(&output.stderr[seen.1..])?;
            seen = (output.stdout.len(), output.stderr.len());
            Ok(target.flush()?)
        };
        let mut shown = (0, 0);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let call = Call::Output { pid: self.pid, seen: shown, timeout_ms: milliseconds(left) };
            let (end, output) = self.output(self.guest.ask(call, left)?)?;
            show(&output)?;
            if end.is_some() || left.is_zero() {
                break;
            }
            shown = (output.stdout.len(), output.stderr.len());
        }
        // What it said last may still be under way.
        let output = self.wait(deadline.saturating_duration_since(Instant::now()))?;
        show(&output)?;
        Ok(output)
    }

    /// Waits for its end; what is too late is killed with its process group.
    pub fn wait(self, timeout: Duration) -> Result<Output> {
        let call = |timeout| Call::Wait { pid: self.pid, timeout_ms: milliseconds(timeout) };
        let (end, output) = self.output(self.guest.ask(call(timeout), timeout)?)?;
        if end.is_some() {
            return Ok(output);
        }
        let kill = Call::Signal { pid: self.pid, signal: 9, group: true };
        self.guest.ask(kill, Duration::ZERO)?;
        let (_, output) = self.output(self.guest.ask(call(GRACE), GRACE)?)?;
        Err(format!("not ended after {timeout:?}, and killed\n{output}").into())
    }

    fn output(&self, reply: Reply) -> Result<(Option<End>, Output)> {
        match reply {
            Reply::Output { end, stdout, stderr } => {
                Ok((end, Output { words: self.words.clone(), end, stdout, stderr }))
            }
            other => Err(format!("the agent answered a question for output with {other:?}").into()),
        }
    }
}

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    words: String,
    /// How it ended; nothing while it runs.
    pub end: Option<End>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Its exit code, if it has exited by itself.
    pub fn code(&self) -> Option<i32> {
        match self.end {
            Some(End::Code(code)) => Some(code),
            _ => None,
        }
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself if it exited with 0; else an error with all that it said.
    pub fn ok(self) -> Result<Output> {
        self.exits(0)
    }

    /// Itself if it exited with this code; else an error with all that it said.
    pub fn exits(self, code: i32) -> Result<Output> {
        if self.code() == Some(code) {
            Ok(self)
        } else {
            Err(format!("wanted exit code {code}\n{self}").into())
        }
    }

    /// Itself if its standard error holds all of this; else an error with all that it said.
    pub fn says(self, wanted: &[&str]) -> Result<Output> {
        let text = self.error_text();
        match wanted.iter().find(|wanted| !text.contains(**wanted)) {
            None => Ok(self),
            Some(missing) => Err(format!("wanted {missing:?} on standard error\n{self}").into()),
        }
    }

    /// Standard output as one JSON document, and nothing but that.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.stdout)
            .map_err(|error| format!("standard output is not one JSON document: {error}\n{self}").into())
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let end = match self.end {
            Some(End::Code(code)) => format!("exit code {code}"),
            Some(End::Signal(signal)) => format!("ended by signal {signal}"),
            None => "running".to_owned(),
        };
        writeln!(f, "{}\n[{end}]", self.words)?;
        for (name, text) in [("stdout", self.text()), ("stderr", self.error_text())] {
            text.lines().try_for_each(|line| writeln!(f, "{name}| {line}"))?;
        }
        Ok(())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
