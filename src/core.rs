//! What every handle of a device holds, and the order in which it goes.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::backend::{Backend, RegionIndex, set_bus_master};
use crate::dma::Pool;
use crate::pci::register;
use crate::presence::Presence;
use crate::region::Mapping;
use crate::synchronize::{Rank, unpoisoned};
use crate::{Address, Result};

/// What every handle of the device holds.
#[derive(Debug)]
pub(crate) struct Core {
    number: u32,
    presence: Arc<Presence>,
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
    pub(crate) fn new(backend: impl Backend + 'static) -> Result<Self> {
        let pool = Mutex::new(Pool::new(&backend.iommu()?));
        let (interrupts_enabled, errors_enabled) = (AtomicBool::new(false), AtomicBool::new(false));
        let number = Rank::next_device();
        let mappings = Mutex::default();
        let (presence, command, backend) = (Arc::new(Presence::new()), Mutex::new(()), Box::new(backend));
        Ok(Self { number, presence, command, interrupts_enabled, errors_enabled, pool, mappings, backend })
    }

    /// The way to the device, as long as there is one.
    ///
    /// # Errors
    /// Where the device is gone, or the parent's.
    pub(crate) fn backend(&self) -> Result<&dyn Backend> {
        self.presence.admit(self.address())?;
        Ok(&*self.backend)
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

    pub(crate) fn resettable(&self) -> bool {
        self.backend.resettable()
    }

    pub(crate) fn address(&self) -> Address {
        self.backend.address()
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
}

impl Drop for Core {
    fn drop(&mut self) {
        // The device goes on in the parent; its memory was not inherited, and other things may be there by now.
        if self.is_forked() {
            std::mem::take(&mut *unpoisoned(&self.mappings)).into_values().for_each(std::mem::forget);
            return unpoisoned(&self.pool).forget();
        }
        // Interrupts have gone: a controller holds this core. Now the device stops reaching memory ...
        let backend = &*self.backend;
        let stopped = set_bus_master(backend, false);
        let reset = if backend.resettable() { backend.reset() } else { Ok(()) };
        // ... and only then its mappings go. BARs follow, and the backend closes its descriptors, in the order of fields.
        let unmapped = unpoisoned(&self.pool).unmap_all(backend);
        for error in [stopped, reset, unmapped].into_iter().filter_map(Result::err) {
            log::error!("closing: {error}");
        }
    }
}
