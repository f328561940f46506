//! The side that answers: a thread beside the program that drives the device.

use std::fmt;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use serde::Serialize;

use super::claim::Claim;
use super::place::Roots;
use super::{Subject, peer_may_ask};
use crate::synchronize::{fork_count, signals};
use crate::trace::{Trace, Watch};
use crate::{Error, ErrorKind, Result};

/// 15 bytes, which is what the kernel keeps.
const THREAD: &str = "dirql/telemetry";
/// How long a peer may take to ask.
const ASKING: Duration = Duration::from_secs(1);
/// How long it may take to read the answer.
const READING: Duration = Duration::from_secs(10);
/// How long every section is timed after a look at the statistics.
const WATCHED: Duration = Duration::from_secs(5);
/// The longest trace, and how many events it has room for.
const LONGEST: Duration = Duration::from_secs(3600);
const EVENTS: usize = 200_000;
/// The longest request.
const REQUEST: usize = 64;

/// Publishes a device's counters to its own user and root, as long as the [`Publisher`] lives. Drop it before the
/// device is stopped: a question that is being answered keeps the device for a moment.
///
/// # Errors
/// `Busy` where another program publishes the device; `Permission` where the directory of the socket is another user's;
/// what the kernel says where there can be no socket or thread.
pub fn publish(subject: impl Into<Subject>) -> Result<Publisher> {
    let subject = subject.into();
    let address = subject.address();
    let fail = |error: io::Error, what: &str| Error::io(&error, what).on(address);
    let claim = Claim::new(&Roots::system().home(), address)?;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let stop = EventFd::from_value_and_flags(0, flags)
        .map_err(|errno| fail(errno.into(), "making of an eventfd"))?;
    let stop = Arc::new(stop);
    let server = Server { claim, stopped: stop.clone(), subject, watch: None, trace: None };
    let thread = signals::spawn_masked(THREAD.into(), || server.run())
        .map_err(|error| fail(error, "start of a thread"))?;
    Ok(Publisher { stop, thread: Some(thread), forks: fork_count() })
}

/// As long as it lives, the device's counters can be asked for. A trace that somebody waits for ends with it.
#[must_use = "statistics are published only as long as it lives"]
pub struct Publisher {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    forks: u32,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // In a child of a fork, the thread is the parent's.
        if fork_count() != self.forks {
            return std::mem::forget(thread);
        }
        if let Err(error) = self.stop.write(1) {
            return log::error!("stopping of telemetry: {error}");
        }
        // It waits for no peer longer than `READING`.
        thread.join().unwrap_or_else(|_| log::error!("the telemetry thread panicked"));
    }
}

/// A trace that a peer waits for.
struct Asked {
    trace: Trace,
    until: Instant,
    peer: UnixStream,
}

struct Server {
    claim: Claim,
    stopped: Arc<EventFd>,
    subject: Subject,
    watch: Option<(Watch, Instant)>,
    trace: Option<Asked>,
}

impl Server {
    fn run(mut self) {
        loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    log::error!("telemetry of {}: {error}", self.subject.address());
                    break;
                }
            }
        }
        self.finish_trace();
    }

    /// Waits for something to do and does it; false once it is told to stop.
    fn turn(&mut self) -> io::Result<bool> {
        let deadlines =
            [self.watch.as_ref().map(|(_, until)| *until), self.trace.as_ref().map(|asked| asked.until)];
        let timeout = deadlines.into_iter().flatten().min().map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // Rounded up: no turn without a wait.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let (stopped, listener) = (self.stopped.as_fd(), self.claim.as_fd());
        let mut polled =
            vec![PollFd::new(stopped, PollFlags::POLLIN), PollFd::new(listener, PollFlags::POLLIN)];
        polled.extend(self.trace.iter().map(|asked| PollFd::new(asked.peer.as_fd(), PollFlags::POLLIN)));
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let events = |index: usize| polled.get(index).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
        let (stop, knock, peer) = (events(0), events(1), events(2));
        if !stop.is_empty() {
            return Ok(false);
        }
        let now = Instant::now();
        self.watch.take_if(|(_, until)| *until <= now);
        if peer.contains(PollFlags::POLLHUP) {
            self.trace = None;
        } else if !peer.is_empty() || self.trace.as_ref().is_some_and(|asked| asked.until <= now) {
            self.finish_trace();
        }
        if !knock.is_empty() {
            match self.claim.accept() {
                Ok(peer) => self.serve(peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The peer has gone, or there are no descriptors for now: that is its loss, not ours.
                Err(error) => {
                    log::warn!("telemetry of {}: {error}", self.subject.address());
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
        Ok(true)
    }

    /// Answers one peer.
    fn serve(&mut self, peer: UnixStream) {
        if let Err(error) = peer_may_ask(&peer) {
            return self.answer(&peer, &error.to_json());
        }
        let Some(request) = read_request(&peer) else { return };
        match request.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["counters"] => self.answer(&peer, &self.subject.report()),
            ["statistics"] => {
                self.watch();
                self.answer(&peer, &self.subject.report());
            }
            ["trace", seconds] => {
                match seconds.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()) {
                    Some(duration) => self.start_trace(peer, duration.min(LONGEST)),
                    None => self.refuse(&peer, format!("{seconds:?} is no number of seconds")),
                }
            }
            _ => self.refuse(&peer, format!("{request:?} is no request")),
        }
    }

    fn refuse(&self, peer: &UnixStream, why: String) {
        let error = Error::new(ErrorKind::InvalidArgument, "telemetry").on(self.subject.address()).why(why);
        self.answer(peer, &error.to_json());
    }

    /// Has every section timed for a while.
    fn watch(&mut self) {
        let until = Instant::now() + WATCHED;
        match (&mut self.watch, self.subject.vectors()) {
            (Some((_, end)), _) => *end = until,
            (none, Some(vectors)) => *none = Some((vectors.watch(), until)),
            (_, None) => {}
        }
    }

    fn start_trace(&mut self, peer: UnixStream, duration: Duration) {
        let Some(vectors) = self.subject.vectors() else {
            let error = Error::new(ErrorKind::Precondition, "trace").on(self.subject.address());
            return self.answer(&peer, &error.why("its driver has no interrupts to look at").to_json());
        };
        match vectors.trace(EVENTS) {
            Ok(trace) => self.trace = Some(Asked { trace, until: Instant::now() + duration, peer }),
            Err(error) => self.answer(&peer, &error.to_json()),
        }
    }

    fn finish_trace(&mut self) {
        let Some(Asked { trace, peer, .. }) = self.trace.take() else { return };
        let timeline = trace.finish();
        self.gone(timeline.write_chrome_json(BufWriter::new(Patient::new(&peer))));
    }

    fn answer(&self, peer: &UnixStream, document: &impl Serialize) {
        let mut writer = BufWriter::new(Patient::new(peer));
        let written = serde_json::to_writer(&mut writer, document).map_err(io::Error::from);
        self.gone(written.and_then(|()| writer.write_all(b"\n")).and_then(|()| writer.flush()));
    }

    /// A peer that does not read its answer is no failure of ours.
    fn gone(&self, written: io::Result<()>) {
        if let Err(error) = written {
            log::info!("telemetry of {}: the answer was not read: {error}", self.subject.address());
        }
    }
}

/// The peer's first line; nothing of one that does not ask in time.
fn read_request(mut peer: &UnixStream) -> Option<String> {
    let deadline = Instant::now() + ASKING;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < REQUEST {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut buffer = [0; REQUEST];
        // A timeout of 0 would be none, and is refused.
        peer.set_read_timeout(Some(left)).ok()?;
        match peer.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => line.extend(buffer.get(..count)?),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    let line = String::from_utf8_lossy(&line).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// Writes to a peer, which must have read all by a deadline.
struct Patient<'a> {
    peer: &'a UnixStream,
    deadline: Instant,
}

impl<'a> Patient<'a> {
    fn new(peer: &'a UnixStream) -> Self {
        Self { peer, deadline: Instant::now() + READING }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.peer.set_write_timeout(Some(left))?;
        self.peer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
