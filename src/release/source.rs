//! The request source: a thread that listens, and one that sees to it that the host gets what it wants.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EventFd};

use super::request::Hook;
use super::{REVOCATION, ReleaseRequest};
use crate::backend::IrqIndex;
use crate::core::Core;
use crate::synchronize::{Completion, signals, unpoisoned};
use crate::{Error, Result};

/// How long closing waits for a thread of the source, which has nothing left to wait for itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request source of an opened device. Its threads do not keep the device open.
#[derive(Debug)]
pub struct Source {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Weak<Core>,
    request: ReleaseRequest,
    /// `dirql/<address>`, to which a thread adds what it is for.
    name: String,
    eventfd: EventFd,
    ending: AtomicBool,
    /// Raised once the device is being closed.
    closing: Completion,
    /// When the host asked first.
    asked: Mutex<Option<Instant>>,
    threads: Mutex<Vec<Worker>>,
}

impl Source {
    /// Listens to the host, where the device has a request interrupt.
    ///
    /// # Errors
    /// Where the kernel has no descriptor or thread left, or does not take the eventfd.
    pub fn start(core: &Arc<Core>) -> Result<Option<Self>> {
        let backend = core.backend()?;
        if backend.irq(IrqIndex::Request)?.count == 0 {
            return Ok(None);
        }
        let fail = |error: io::Error| Error::io(&error, "start of the request source").on(core.address());
        let shared = Arc::new(Shared {
            core: Arc::downgrade(core),
            request: core.release_request().clone(),
            name: format!("dirql/{}", core.short_address()),
            eventfd: EventFd::new(EFD_CLOEXEC).map_err(fail)?,
            ending: AtomicBool::new(false),
            closing: Completion::new(),
            asked: Mutex::default(),
            threads: Mutex::default(),
        });
        let listening = shared.clone();
        shared.start("req", move || listening.listen()).map_err(fail)?;
        // Dropped on an error, which ends the thread.
        let source = Self { shared };
        backend.set_trigger(IrqIndex::Request, 0, &[Some(&source.shared.eventfd)])?;
        Ok(Some(source))
    }

    /// Leaves everything as it is: in a child, the threads and the eventfd are the parent's.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.ending.store(true, Ordering::Release);
        shared.closing.complete();
        if let Err(error) = shared.eventfd.write(1) {
            log::error!("{}: waking of the request source: {error}", shared.name);
        }
        // Outside the lock, which the threads take to start another.
        let threads = std::mem::take(&mut *unpoisoned(&shared.threads));
        threads.into_iter().for_each(|thread| thread.end(&shared.name));
    }
}

impl Shared {
    /// Starts a thread that is waited for when the device is closed.
    fn start(&self, what: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let worker = Worker::start(format!("{}/{what}", self.name), body)?;
        unpoisoned(&self.threads).push(worker);
        Ok(())
    }

    /// The request thread: flags what comes.
    fn listen(self: Arc<Self>) {
        while !self.ending.load(Ordering::Acquire) {
            match self.eventfd.read() {
                Ok(_) if self.ending.load(Ordering::Acquire) => {}
                Ok(requests) => self.flag(requests),
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) => return log::error!("{}: the request source ends: {error}", self.name),
            }
        }
    }

    fn flag(self: &Arc<Self>, requests: u64) {
        // First, for what comes next may take the device from under the program.
        let first = unpoisoned(&self.asked).replace(Instant::now()).is_none();
        match self.request.arrived(requests) {
            Ok(hooks) if !hooks.is_empty() => self.call(hooks),
            Ok(_) => {}
            Err(error) => log::error!("{}: request of the host: {error}", self.name),
        }
        if !first {
            return;
        }
        let control = self.clone();
        if let Err(error) = self.start("ctl", move || control.see_to_it()) {
            log::warn!("{}: no control thread: {error}", self.name);
            self.see_to_it();
        }
    }

    /// Hooks may take as long as they like, so nobody waits for their thread.
    fn call(self: &Arc<Self>, hooks: Vec<Hook>) {
        let request = self.request.clone();
        let call = move || hooks.into_iter().for_each(|hook| request.call(hook));
        if let Err(error) = signals::spawn_masked(format!("{}/hook", self.name), call) {
            log::error!("{}: hooks were not called: {error}", self.name);
        }
    }

    /// The control thread: gives the program its grace, and then takes the device.
    fn see_to_it(&self) {
        let asked = unpoisoned(&self.asked).unwrap_or_else(Instant::now);
        let grace = self.request.grace();
        if self.closing.wait(grace.saturating_sub(asked.elapsed())) {
            return;
        }
        // Whoever lets go meanwhile leaves the closing to this thread.
        if let Some(core) = self.core.upgrade() {
            core.revoke(Instant::now() + REVOCATION);
        }
    }
}

/// A thread, and when it is over.
#[derive(Debug)]
struct Worker {
    thread: JoinHandle<()>,
    over: Completion,
}

impl Worker {
    fn start(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let over = Completion::new();
        let ending = Ending(over.clone());
        let thread = signals::spawn_masked(name, move || {
            let _ending = ending;
            body();
        })?;
        Ok(Self { thread, over })
    }

    /// Waits for its end, unless this is it: the last owner of a device may be any of its threads.
    fn end(self, name: &str) {
        if self.thread.thread().id() == thread::current().id() {
            return;
        }
        if !self.over.wait(PATIENCE) {
            return log::error!("{name}: a thread of the request source does not end");
        }
        self.thread.join().unwrap_or_else(|_| log::error!("{name}: the request source panicked"));
    }
}

/// Says that the thread is over, however it ends.
struct Ending(Completion);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.complete();
    }
}
