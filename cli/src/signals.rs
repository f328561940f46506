//! Ctrl-C and its kin, and the host that wants its device back, as a flag that every loop looks at: what runs is stopped
//! in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use dirql::release::ReleaseRequest;
use dirql::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a loop may wait for a device before it looks at the flag again.
pub const SLICE: Duration = Duration::from_millis(100);

/// Whether the user wants an end, or the host its device. A second Ctrl-C ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    signalled: Arc<AtomicBool>,
    release: Arc<OnceLock<ReleaseRequest>>,
}

impl Stop {
    /// From now on SIGINT, SIGTERM and SIGHUP ask for an orderly end; but one that is ignored, as under nohup, stays
    /// so.
    pub fn on_signals() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0)
        {
            // The order matters: the first signal finds the flag unset, and sets it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .map_err(|error| Error::io(&error, "registering for signals"))?;
        }
        Ok(Self { signalled: flag, release: Arc::default() })
    }

    /// From now on, the host that wants this device back asks for an orderly end too.
    pub fn on_release(&self, request: ReleaseRequest) {
        self.release.get_or_init(|| request);
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
            thread::sleep(left.min(SLICE));
        }
    }

    #[cfg(test)]
    pub fn never() -> Self {
        Self::default()
    }

    /// As a signal does.
    #[cfg(test)]
    pub fn ask(&self) {
        self.signalled.store(true, Ordering::Relaxed);
    }
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
    }
}
