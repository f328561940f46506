//! The side that asks.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket};
use nix::sys::time::TimeVal;
use serde_json::Value;

use super::place::{Directory, Place, Roots};
use super::{Report, user_of};
use crate::{Address, Error, ErrorKind, Result};

/// How long a program may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a read may last before the caller is asked whether it wants an end.
const SLICE: Duration = Duration::from_millis(100);
/// No answer is longer.
const LONGEST: usize = 1 << 30;

/// A program that publishes a device.
#[derive(Debug, Clone)]
pub struct Source {
    address: Address,
    place: Place,
}

impl Source {
    /// The program of this user's that publishes the device at `address`, or for root, anybody's; `None` where none does.
    ///
    /// # Errors
    /// What the kernel says where it cannot be reached.
    pub fn find(address: Address) -> Result<Option<Self>> {
        for directory in directories() {
            if let Some(source) = Self::within(&directory, address)? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    /// All programs of this user's that publish a device, or for root, everybody's, by the address of the device.
    ///
    /// # Errors
    /// As [`Source::find`].
    pub fn all() -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for directory in directories() {
            for address in directory.addresses() {
                found.extend(Self::within(&directory, address)?);
            }
        }
        found.sort_by_key(|source| source.address);
        Ok(found)
    }

    fn within(directory: &Directory, address: Address) -> Result<Option<Self>> {
        let source = Self { address, place: directory.place.clone() };
        Ok(source.connected()?.map(|_| source))
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// What it has counted.
    ///
    /// # Errors
    /// `NotFound` where it has ended; what it says, or that it does not answer.
    pub fn counters(&self) -> Result<Report> {
        self.report_of("counters")
    }

    /// As [`Source::counters`], and has it time every section for some seconds.
    ///
    /// # Errors
    /// As there.
    pub fn report(&self) -> Result<Report> {
        self.report_of("statistics")
    }

    fn report_of(&self, request: &str) -> Result<Report> {
        let peer = self.ask(request)?;
        let answer = self.read(&peer, Instant::now() + ANSWER, &mut || false)?;
        let parsed = serde_json::from_slice(&answer).and_then(|mut answer| {
            harmless(&mut answer);
            serde_json::from_value::<Report>(answer)
        });
        let report = parsed.map_err(|error| self.fail(ErrorKind::Failure, error.to_string()))?;
        // Not what it says of itself, but what the kernel does.
        Ok(Report { address: self.address, uid: self.place.owner.as_raw(), ..report })
    }

    /// Has it trace for a while, or until `wants_end` says so, and gives Chrome's trace events as JSON.
    ///
    /// # Errors
    /// As [`Source::report`]; `Busy` where a trace runs.
    pub fn trace(&self, duration: Duration, mut wants_end: impl FnMut() -> bool) -> Result<Vec<u8>> {
        let peer = self.ask(&format!("trace {}", duration.as_secs_f64()))?;
        self.read(&peer, Instant::now() + duration + ANSWER, &mut wants_end)
    }

    fn fail(&self, kind: ErrorKind, why: impl Into<String>) -> Error {
        Error::new(kind, "telemetry").on(self.address).why(why)
    }

    fn io(&self, error: &io::Error) -> Error {
        Error::io(error, "telemetry").on(self.address)
    }

    fn ask(&self, request: &str) -> Result<UnixStream> {
        let gone = || self.fail(ErrorKind::NotFound, "the program that drove the device has ended");
        let mut peer = self.connected()?.ok_or_else(gone)?;
        writeln!(peer, "{request}").map_err(|error| self.io(&error))?;
        Ok(peer)
    }

    /// The whole answer, by a deadline; `wants_end` once ends a trace early.
    fn read(
        &self,
        mut peer: &UnixStream,
        mut deadline: Instant,
        wants_end: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<u8>> {
        peer.set_read_timeout(Some(SLICE)).map_err(|error| self.io(&error))?;
        let (mut answer, mut buffer, mut ended) = (Vec::new(), vec![0; 1 << 16], false);
        loop {
            match peer.read(&mut buffer) {
                Ok(0) => break,
                // The end, where a wish came after the program had closed. What was said before has been read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Ok(count) => answer.extend(buffer.iter().take(count)),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(self.io(&error)),
            }
            if Instant::now() >= deadline || answer.len() > LONGEST {
                return Err(
                    self.fail(ErrorKind::Failure, "the program that drives the device does not answer")
                );
            }
            if !ended && wants_end() {
                ended = true;
                deadline = deadline.min(Instant::now() + ANSWER);
                match peer.write_all(b"\n") {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(self.io(&error)),
                    _ => {}
                }
            }
        }
        match answer {
            _ if answer.starts_with(b"{\"error\"") => Err(self.told(&answer)),
            _ if answer.ends_with(b"}\n") => Ok(answer),
            _ => {
                Err(self
                    .fail(ErrorKind::NotFound, "the program that drove the device ended while it answered"))
            }
        }
    }

    /// The error that the other side tells.
    fn told(&self, answer: &[u8]) -> Error {
        let mut document: Value = serde_json::from_slice(answer).unwrap_or_default();
        harmless(&mut document);
        let error = &document["error"];
        let kind = match error["exit_code"].as_u64() {
            Some(2) => ErrorKind::InvalidArgument,
            Some(3) => ErrorKind::Precondition,
            Some(4) => ErrorKind::Permission,
            Some(5) => ErrorKind::Busy,
            _ => ErrorKind::Failure,
        };
        let words = |field: &str| error[field].as_str().map(str::to_owned);
        let operation = words("operation").unwrap_or_else(|| "telemetry".into());
        let error = Error::new(kind, operation).on(self.address);
        match words("why") {
            Some(why) => error.why(why),
            None => error,
        }
    }

    /// A connection to the program; `None` where none listens.
    fn connected(&self) -> Result<Option<UnixStream>> {
        let path = self.place.socket(self.address)?;
        let fail = |errno: Errno| {
            Error::os(errno, "connecting to the program that drives the device").on(self.address).path(&path)
        };
        let peer =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(fail)?;
        // A program that accepts nobody is not waited for.
        let timeout = TimeVal::new(ANSWER.as_secs() as i64, 0);
        setsockopt(&peer, SendTimeout, &timeout).map_err(fail)?;
        match connect(peer.as_raw_fd(), &UnixAddr::new(&path).map_err(fail)?) {
            Ok(()) => {}
            // There is none, or one that a killed program left.
            Err(Errno::ENOENT | Errno::ECONNREFUSED) => return Ok(None),
            Err(errno) => return Err(fail(errno)),
        }
        let peer = UnixStream::from(peer);
        let user = user_of(&peer).map_err(|error| error.on(self.address))?;
        if user == self.place.owner {
            return Ok(Some(peer));
        }
        // What lies in a user's directory may be a link to anybody's socket.
        log::warn!("{}: who listens is user {user}, and not whose directory it is", path.display());
        Ok(None)
    }
}

/// The directories to look into.
fn directories() -> impl Iterator<Item = Directory> {
    Roots::system().all().into_iter().filter_map(|place| place.open())
}

/// Another user's program may say what a terminal would obey.
fn harmless(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace(char::is_control, "?"),
        Value::Array(values) => values.iter_mut().for_each(harmless),
        Value::Object(fields) => fields.values_mut().for_each(harmless),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_reaches_a_terminal_as_an_order() {
        let mut value =
            serde_json::json!({ "program": "a\u{1b}[2J\u{9b}b", "vectors": [{ "site": "x\ny" }], "pid": 7 });
        harmless(&mut value);
        let wanted = serde_json::json!({ "program": "a?[2J?b", "vectors": [{ "site": "x?y" }], "pid": 7 });
        assert_eq!(value, wanted);
    }
}
