//! One program that the agent started: its output as it comes, and its end.

use dirql_lab_agent::{End, Program, Reply};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{User, getgrouplist, setgid, setgroups, setuid};
use std::ffi::CString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

/// A program, running or ended.
pub struct Process {
    pid: i32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Standard output and standard error from the start.
    text: [Vec<u8>; 2],
    /// How many of the two are still open.
    open: usize,
    end: Option<End>,
}

impl Process {
    /// Starts the program, in a process group of its own.
    pub fn start(program: &Program) -> Result<Arc<Process>, String> {
        let mut child =
            spawn(program).map_err(|error| format!("cannot start {:?}: {error}", program.argv))?;
        let process = Arc::new(Process {
            pid: child.id().cast_signed(),
            state: Mutex::new(State { open: 2, ..State::default() }),
            changed: Condvar::new(),
        });
        if let Some(mut pipe) = child.stdin.take() {
            let input = program.stdin.clone();
            // A program that does not read its input is its own affair.
            thread::spawn(move || pipe.write_all(&input));
        }
        if let Some(pipe) = child.stdout.take() {
            process.clone().collect(0, pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            process.clone().collect(1, pipe);
        }
        process.clone().reap(child);
        Ok(process)
    }

    /// The process id, which is the process group too.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until there is more output than `seen`, or the end, or the time is over.
    pub fn output(&self, seen: (usize, usize), timeout: Duration) -> Reply {
        self.until(timeout, |state| {
            state.end.is_some() || state.text[0].len() > seen.0 || state.text[1].len() > seen.1
        })
    }

    /// Waits until the program has ended and nobody holds its output open.
    pub fn wait(&self, timeout: Duration) -> Reply {
        self.until(timeout, |state| state.end.is_some() && state.open == 0)
    }

    fn until(&self, timeout: Duration, enough: impl Fn(&State) -> bool) -> Reply {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !enough(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Reply::Output { end: state.end, stdout: state.text[0].clone(), stderr: state.text[1].clone() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn collect(self: Arc<Self>, stream: usize, mut pipe: impl Read + Send + 'static) {
        thread::spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                self.change(|state| state.text[stream].extend_from_slice(&buffer[..count]));
            }
            self.change(|state| state.open -= 1);
        });
    }

    fn reap(self: Arc<Self>, mut child: Child) {
        thread::spawn(move || {
            let end = match child.wait() {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => End::Code(code),
                    (None, signal) => End::Signal(signal.unwrap_or(0)),
                },
                // Somebody else reaped it: the code is lost.
                Err(_) => End::Signal(0),
            };
            self.change(|state| state.end = Some(end));
        });
    }
}

fn spawn(program: &Program) -> io::Result<Child> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no user {:?}", program.user));
    let user = User::from_name(&program.user)?.ok_or_else(unknown)?;
    let groups = getgrouplist(&CString::new(user.name.as_str())?, user.gid)?;
    let (name, arguments) = program
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program"))?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("USER", &user.name)
        .env("HOME", &user.dir)
        .envs(&program.env)
        .current_dir(program.cwd.as_deref().unwrap_or("/"))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let memlock = program.memlock;
    let become_user = move || {
        if let Some(bytes) = memlock {
            setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes)?;
        }
        setgroups(&groups)?;
        setgid(user.gid)?;
        // From root to anybody else, this drops all capabilities as well.
        setuid(user.uid)?;
        Ok(())
    };
    // SAFETY: between fork and exec, the closure makes four system calls on values that it owns; it neither allocates
    // nor takes a lock.
    unsafe { command.pre_exec(become_user) };
    command.spawn()
}
