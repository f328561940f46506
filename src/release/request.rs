//! What a program sees of the host's wish.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;

use super::GRACE;
use crate::synchronize::{Completion, Protected, Rank, SyncError};
use crate::{Address, Code, Error, ErrorKind};

/// What a program does on a request.
pub(super) type Hook = Box<dyn FnOnce() + Send>;

/// Whether the host wants the device back. Clones are the same, and keep no device open.
///
/// ```no_run
/// # fn main() -> dirql::Result<()> {
/// let device = dirql::Device::open("0000:00:04.0".parse()?)?;
/// let release = device.release_request();
/// while !release.wait(std::time::Duration::from_millis(100)) {
///     // work
/// }
/// drop(device); // and whatever else keeps it open, within the grace
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    device: Address,
    wanted: AtomicBool,
    /// In milliseconds.
    grace: AtomicU64,
    state: Protected<State>,
    /// Raised once, and again by each that took it.
    raised: Completion,
}

#[derive(Default)]
struct State {
    requests: u64,
    hooks: Vec<Hook>,
}

impl ReleaseRequest {
    /// None so far, for the `number`th device.
    pub(crate) fn new(device: Address, number: u32) -> Self {
        let request = Self {
            shared: Arc::new(Shared {
                device,
                wanted: AtomicBool::new(false),
                grace: AtomicU64::new(0),
                state: Protected::new(Rank::request(number), State::default()),
                raised: Completion::new(),
            }),
        };
        request.set_grace(GRACE);
        request
    }

    /// Whether the host wants the device back.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.shared.wanted.load(Ordering::Acquire)
    }

    /// Waits until the host wants the device back: false if it does not within `timeout`. Any number of threads may wait.
    pub fn wait(&self, timeout: Duration) -> bool {
        let wanted = self.shared.raised.wait(timeout);
        if wanted {
            self.shared.raised.complete();
        }
        wanted
    }

    /// How often the host has asked. It asks again every ten seconds.
    ///
    /// # Errors
    /// `Forked` in a child.
    pub fn requests(&self) -> Result<u64, SyncError> {
        self.shared.state.synchronize(|state| state.requests)
    }

    /// Calls `hook` once, on a thread of its own, when the host wants the device back; here and now, where it does
    /// already. The grace runs meanwhile. What the hook keeps, the request keeps until then.
    ///
    /// # Errors
    /// `Forked` in a child.
    pub fn on_request(&self, hook: impl FnOnce() + Send + 'static) -> Result<(), SyncError> {
        let mut hook = Some(hook);
        self.shared.state.synchronize(|state| {
            if state.requests == 0
                && let Some(hook) = hook.take()
            {
                state.hooks.push(Box::new(hook));
            }
        })?;
        if let Some(hook) = hook {
            self.call(Box::new(hook));
        }
        Ok(())
    }

    /// What to say of an `operation` that ended because the host wants the device back.
    pub fn error(&self, operation: &str) -> Error {
        let device = self.shared.device;
        Error::new(ErrorKind::Device, operation)
            .on(device)
            .errno(Errno::ENODEV)
            .why("the host wants the device back: it is being unbound or unplugged")
            .fix(format!("bind it again: sudo dirql bind {device} --owner $USER"))
            .code(Code::E13)
    }

    pub(crate) fn set_grace(&self, grace: Duration) {
        self.shared.grace.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_millis(self.shared.grace.load(Ordering::Relaxed))
    }

    /// The host has asked so many times more. Gives the hooks that are to be called now.
    pub(super) fn arrived(&self, requests: u64) -> Result<Vec<Hook>, SyncError> {
        let hooks = self.shared.state.synchronize(|state| {
            state.requests = state.requests.saturating_add(requests);
            std::mem::take(&mut state.hooks)
        })?;
        if !self.shared.wanted.swap(true, Ordering::AcqRel) {
            self.shared.raised.complete();
        }
        Ok(hooks)
    }

    /// Calls a hook, outside any section. What it panics with goes nowhere else.
    pub(super) fn call(&self, hook: Hook) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(hook)) {
            log::error!("{}: a hook for the release request panicked", self.shared.device);
            // What was panicked with may panic when it is dropped.
            catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(std::mem::forget);
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} hooks", self.requests, self.hooks.len())
    }
}
