//! What every handle of a device holds, and the order in which it goes.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::backend::{Backend, RegionIndex, set_bus_master};
use crate::dma::Pool;
use crate::region::Mapping;
use crate::synchronize::{Rank, unpoisoned};
use crate::{Address, Result};

/// What every handle of the device holds.
#[derive(Debug)]
pub(crate) struct Core {
    number: u32,
    /// One kind of interrupt is enabled, by whoever set this.
    pub(crate) interrupts_enabled: AtomicBool,
    pub(crate) pool: Mutex<Pool>,
    /// Each region that was opened, mapped once.
    mappings: Mutex<HashMap<RegionIndex, Arc<Mapping>>>,
    backend: Box<dyn Backend>,
}

impl Core {
    pub(crate) fn new(backend: impl Backend + 'static) -> Result<Self> {
        let pool = Mutex::new(Pool::new(&backend.iommu()?));
        let (number, interrupts_enabled) = (Rank::next_device(), AtomicBool::new(false));
        let mappings = Mutex::default();
        Ok(Self { number, interrupts_enabled, pool, mappings, backend: Box::new(backend) })
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) fn address(&self) -> Address {
        self.backend.address()
    }

    /// The region's mapping, made when it is first asked for.
    pub(crate) fn mapping(&self, index: RegionIndex) -> Result<Arc<Mapping>> {
        let mut mappings = unpoisoned(&self.mappings);
        if let Some(mapping) = mappings.get(&index) {
            return Ok(mapping.clone());
        }
        let mapping = Arc::new(Mapping::new(self.backend(), index)?);
        mappings.insert(index, mapping.clone());
        Ok(mapping)
    }

    /// The device's place in lock order.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Core {
    fn drop(&mut self) {
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
