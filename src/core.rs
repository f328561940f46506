//! What every handle of a device holds, and the order in which it goes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use nix::errno::Errno;

use crate::backend::{Backend, RegionIndex, set_bus_master};
use crate::dma::Pool;
use crate::interrupt::VectorStatistics;
use crate::pci::register;
use crate::presence::Presence;
use crate::region::Mapping;
use crate::release::{ReleaseRequest, Source};
use crate::synchronize::{Rank, unpoisoned};
use crate::{Address, Error, Result};

/// What has to end before a device is taken from the program that holds it: its interrupts.
pub(crate) trait Revoke: Send + Sync {
    /// Ends it: wakes whoever waits, and detaches from the device by [`Core::closing_backend`]. The device is marked gone
    /// already. Handlers that do not return until `deadline` are left behind.
    fn revoke(&self, deadline: Instant);

    /// What was counted of its vectors.
    fn statistics(&self) -> Vec<VectorStatistics>;
}

/// What every handle of the device holds.
#[derive(Debug)]
pub(crate) struct Core {
    number: u32,
    presence: Arc<Presence>,
    release: ReleaseRequest,
    /// What listens for the release request; once, for it knows the core that it is in.
    source: OnceLock<Source>,
    revoked: Mutex<Vec<Weak<dyn Revoke>>>,
    /// One write of the COMMAND register at a time.
    command: Mutex<()>,
    /// One kind of interrupt is enabled, by whoever set this.
    pub(crate) interrupts_enabled: AtomicBool,
    /// The error source is connected, by whoever set this.
    pub(crate) errors_enabled: AtomicBool,
    pub(crate) pool: Mutex<Pool>,
    /// Each region that was opened, mapped once.
    mappings: Mutex<HashMap<RegionIndex, Arc<Mapping>>>,
    backend: Box<dyn Backend>,
}

impl Core {
    /// Takes the device over, and listens for the host that wants it back.
    pub(crate) fn open(backend: impl Backend + 'static) -> Result<Arc<Self>> {
        let pool = Mutex::new(Pool::new(&backend.iommu()?));
        let number = Rank::next_device();
        let core = Arc::new(Self {
            number,
            presence: Arc::new(Presence::new()),
            release: ReleaseRequest::new(backend.address(), number),
            source: OnceLock::new(),
            revoked: Mutex::default(),
            command: Mutex::new(()),
            interrupts_enabled: AtomicBool::new(false),
            errors_enabled: AtomicBool::new(false),
            pool,
            mappings: Mutex::default(),
            backend: Box::new(backend),
        });
        if let Some(source) = Source::start(&core)? {
            core.source.get_or_init(|| source);
        }
        Ok(core)
    }

    /// The way to the device, as long as there is one.
    ///
    /// # Errors
    /// Where the device is gone, or the parent's.
    pub(crate) fn backend(&self) -> Result<&dyn Backend> {
        self.presence.admit(self.address())?;
        Ok(&*self.backend)
    }

    /// The way to the device for those who take leave of it, also when it is gone. Not for a child.
    pub(crate) fn closing_backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Asks the configuration space whether the device answers; if not, it is gone.
    ///
    /// # Errors
    /// As [`Core::backend`], or what the kernel says.
    pub(crate) fn verify_presence(&self) -> Result<()> {
        let mut vendor = [0; 2];
        self.backend()?.read(RegionIndex::CONFIG, register::VENDOR_ID.into(), &mut vendor)?;
        // No function has this id: it is what a bus reads as where nobody answers.
        if vendor == [0xff; 2] {
            self.presence.mark_gone();
        }
        self.presence.admit(self.address())
    }

    /// Whether the device is there, for those who look without the core.
    pub(crate) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    pub(crate) fn release_request(&self) -> &ReleaseRequest {
        &self.release
    }

    pub(crate) fn resettable(&self) -> bool {
        self.backend.resettable()
    }

    pub(crate) fn address(&self) -> Address {
        self.backend.address()
    }

    /// The address without its domain where that is 0: a thread's name holds 15 bytes.
    pub(crate) fn short_address(&self) -> String {
        let full = self.address().to_string();
        full.strip_prefix("0000:").map_or(full.clone(), str::to_owned)
    }

    /// The region's mapping, made when it is first asked for.
    pub(crate) fn mapping(&self, index: RegionIndex) -> Result<Arc<Mapping>> {
        // Asked before too: in a child, the lock may be another thread's for ever.
        self.backend()?;
        let mut mappings = unpoisoned(&self.mappings);
        let backend = self.backend()?;
        if let Some(mapping) = mappings.get(&index) {
            return Ok(mapping.clone());
        }
        let mapping = Arc::new(Mapping::new(backend, index, &self.presence)?);
        mappings.insert(index, mapping.clone());
        Ok(mapping)
    }

    /// Lets the device reach memory and send messages, or stops it.
    pub(crate) fn set_bus_master(&self, on: bool) -> Result<()> {
        self.backend()?;
        let _one_at_a_time = unpoisoned(&self.command);
        set_bus_master(self.backend()?, on)
    }

    /// Whether the process has forked since, and this is the child.
    pub(crate) fn is_forked(&self) -> bool {
        self.presence.is_forked()
    }

    /// The device's place in lock order.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Has this end too when the device is revoked, in the order of the calls.
    pub(crate) fn on_revoke(&self, revoked: Weak<dyn Revoke>) {
        let mut all = unpoisoned(&self.revoked);
        all.retain(|other| other.strong_count() > 0);
        all.push(revoked);
    }

    /// What would end if the device were revoked.
    pub(crate) fn revocable(&self) -> Vec<Arc<dyn Revoke>> {
        unpoisoned(&self.revoked).iter().filter_map(Weak::upgrade).collect()
    }

    /// Takes the device from whoever holds it, and closes it. Every handle stays, and says that the device is gone.
    pub(crate) fn revoke(&self, deadline: Instant) {
        if self.is_forked() || !self.presence.mark_revoked() {
            return;
        }
        let address = self.address();
        log::warn!("{address}: the host wants the device back, and it was not let go of: it is revoked");
        let revoked = std::mem::take(&mut *unpoisoned(&self.revoked));
        let revoked: Vec<_> = revoked.iter().filter_map(Weak::upgrade).collect();
        revoked.iter().for_each(|revoked| revoked.revoke(deadline));
        // One that is being dropped at this moment ends its interrupts itself, and is waited for.
        let enabled = || {
            [&self.interrupts_enabled, &self.errors_enabled]
                .iter()
                .filter(|enabled| enabled.load(Ordering::Acquire))
                .count()
        };
        while enabled() > revoked.len() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let backend = &*self.backend;
        {
            let _one_at_a_time = unpoisoned(&self.command);
            self.stop(backend);
        }
        let unmapped = unpoisoned(&self.pool).unmap_all(backend);
        let mappings = unpoisoned(&self.mappings);
        let withdrawn = mappings.values().map(|mapping| mapping.withdraw(address));
        let outcomes: Vec<_> = [unmapped].into_iter().chain(withdrawn).collect();
        for error in outcomes.into_iter().chain([backend.close()]).filter_map(Result::err) {
            log::error!("revoking: {error}");
        }
    }

    /// Stops the device reaching memory.
    fn stop(&self, backend: &dyn Backend) {
        let stopped = set_bus_master(backend, false);
        let reset = if backend.resettable() { backend.reset() } else { Ok(()) };
        for error in [stopped, reset].into_iter().filter_map(Result::err) {
            self.log_closing(&error);
        }
    }

    /// A failure to close, as far as it is worth a word.
    fn log_closing(&self, error: &Error) {
        // Nobody answers, or the kernel keeps the device locked while it takes it back.
        let locked = self.release.is_wanted() && error.raw_errno() == Some(Errno::EAGAIN);
        let level = if self.presence.is_gone() || locked { log::Level::Debug } else { log::Level::Error };
        log::log!(level, "closing: {error}");
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let source = self.source.take();
        // The device goes on in the parent; its memory was not inherited, and other things may be there by now.
        if self.is_forked() {
            source.into_iter().for_each(Source::forget);
            let mappings = self.mappings.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(mappings).into_values().for_each(std::mem::forget);
            return self.pool.get_mut().unwrap_or_else(PoisonError::into_inner).forget();
        }
        // Nobody listens to the host any more.
        drop(source);
        // Interrupts have gone: a controller holds this core. Now the device stops reaching memory ...
        let backend = &*self.backend;
        if !self.presence.is_revoked() {
            self.stop(backend);
        }
        // ... and only then its mappings go. BARs follow, and the backend closes its descriptors, in the order of fields.
        if let Err(error) = unpoisoned(&self.pool).close(backend) {
            self.log_closing(&error);
        }
    }
}
