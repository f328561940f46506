//! Ctrl-C and its kin, and the host that wants its device back, as a flag that every loop looks at: what runs is stopped
//! in order.

use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use dirql::class::net::napi::Schedule;
use dirql::release::ReleaseRequest;
use dirql::{Error, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a loop may wait for a device before it looks at the flag again.
pub const SLICE: Duration = Duration::from_millis(100);

/// Whether the user wants an end, or the host its device. A second Ctrl-C ends the process at once.
///
/// Its descriptor is readable once one wants it: for whoever sleeps, and waits for more than that.
#[derive(Debug, Clone)]
pub struct Stop {
    signalled: Arc<AtomicBool>,
    release: Arc<OnceLock<ReleaseRequest>>,
    readable: Arc<UnixStream>,
    wake: Arc<UnixStream>,
}

impl Stop {
    fn new() -> Result<Self> {
        let pair = || {
            let (readable, wake) = UnixStream::pair()?;
            wake.set_nonblocking(true)?;
            Ok((readable, wake))
        };
        let (readable, wake) = pair().map_err(|error| registering(&error))?;
        let (readable, wake) = (Arc::new(readable), Arc::new(wake));
        Ok(Self { signalled: Arc::default(), release: Arc::default(), readable, wake })
    }

    /// From now on SIGINT, SIGTERM and SIGHUP ask for an orderly end; but one that is ignored, as under nohup, stays
    /// so.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::new()?;
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0)
        {
            // The order matters: the first signal finds the flag unset, and sets it before it wakes anybody.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.signalled.clone())
                .and_then(|_| signal_hook::flag::register(signal, stop.signalled.clone()))
                .and_then(|_| signal_hook::low_level::pipe::register(signal, stop.wake.try_clone()?))
                .map_err(|error| registering(&error))?;
        }
        Ok(stop)
    }

    /// From now on, the host that wants this device back asks for an orderly end too.
    pub fn on_release(&self, request: ReleaseRequest) {
        let wake = self.wake.clone();
        // Without the hook it is seen all the same, at the next look.
        let hooked = self.release.get_or_init(|| request).on_request(move || wake_by(&wake));
        hooked.unwrap_or_else(|error| log::debug!("hook for the release request: {error}"));
    }

    /// Whether an end is wanted.
    pub fn is_wanted(&self) -> bool {
        self.signalled.load(Ordering::Relaxed) || self.is_device_wanted()
    }

    /// Whether the host wants the device back, which leaves no time to finish anything.
    pub fn is_device_wanted(&self) -> bool {
        self.release.get().is_some_and(ReleaseRequest::is_wanted)
    }

    /// Sleeps until then, or until an end is wanted.
    pub fn sleep_until(&self, then: Instant) {
        while let Some(left) = then.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if self.is_wanted() {
                return;
            }
            // A millisecond more: what is rounded down would be waited for again and again.
            let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            let polled = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], left);
            // A signal that is not for us, or memory that the kernel lacks: it looks again.
            polled.map_or_else(|errno| log::debug!("sleeping: {errno}"), drop);
        }
    }

    /// Does `work`, and wakes who sleeps in it once an end is wanted.
    ///
    /// # Errors
    /// Where the kernel lacks descriptors.
    pub fn waking<T>(&self, sleeper: &Schedule, work: impl FnOnce() -> T) -> Result<T> {
        let (working, worked) =
            UnixStream::pair().map_err(|error| Error::io(&error, "preparing to wake who sleeps"))?;
        Ok(thread::scope(move |scope| {
            // Closed at the end of the work, also where it panics: so the thread ends.
            let _working = working;
            scope.spawn(move || {
                let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
                let mut ends = [readable(self.as_fd()), readable(worked.as_fd())];
                while let Err(errno) = poll(&mut ends, PollTimeout::NONE) {
                    log::debug!("waiting for the end: {errno}");
                }
                sleeper.schedule();
            });
            work()
        }))
    }

    #[cfg(test)]
    pub fn never() -> Self {
        Self::new().unwrap()
    }

    /// As a signal does.
    #[cfg(test)]
    pub fn ask(&self) {
        self.signalled.store(true, Ordering::Relaxed);
        wake_by(&self.wake);
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}

/// Makes the other end readable, for good. Where that is full it is readable already.
fn wake_by(mut wake: &UnixStream) {
    wake.write(&[0]).map_or_else(|error| log::debug!("waking: {error}"), drop);
}

fn registering(error: &std::io::Error) -> Error {
    Error::io(error, "registering for signals")
}

/// The signals that this process ignores, as the kernel tells them; none where it does not.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_asks_for_the_end() {
        let stop = Stop::on_signals().unwrap();
        assert!(!stop.is_wanted());
        let started = Instant::now();
        stop.sleep_until(started + Duration::from_millis(5));
        assert!(started.elapsed() >= Duration::from_millis(5));
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.is_wanted());
        stop.sleep_until(started + Duration::from_secs(60));
        assert!(started.elapsed() < Duration::from_secs(60));
        let asleep = Stop::never();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(5));
                asleep.ask();
            });
            asleep.sleep_until(started + Duration::from_secs(60));
        });
        assert!(asleep.is_wanted() && started.elapsed() < Duration::from_secs(60));
    }
}
