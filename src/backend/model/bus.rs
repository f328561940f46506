//! What a model's device reaches: its interrupts, and memory through the IOMMU.

use std::sync::{Arc, Mutex, MutexGuard};

use super::ModelConfig;
use super::config::Config;
use super::iommu::Iommu;
use super::irqs::Irqs;
use crate::backend::Iova;
use crate::synchronize::unpoisoned;

/// DMA to where nothing is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Where the device wanted to go.
    pub iova: Iova,
    /// How many bytes it wanted.
    pub len: usize,
}

/// What was done to the device, as far as its order matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// An interrupt index was disabled.
    Released,
    /// Bus mastering was turned on or off.
    BusMaster(bool),
    /// The function was reset.
    Reset,
    /// Memory was unmapped.
    Unmapped,
}

/// The device's way out, and the test's way to look on. Clones are the same bus.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    config: Mutex<Config>,
    irqs: Mutex<Irqs>,
    iommu: Mutex<Iommu>,
    faults: Mutex<Vec<Fault>>,
    acts: Mutex<Vec<Act>>,
}

impl Bus {
    pub(super) fn new(config: &ModelConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                config: Mutex::new(Config::new(config)),
                irqs: Mutex::new(Irqs::new(config)),
                iommu: Mutex::new(Iommu::new(config)),
                faults: Mutex::default(),
                acts: Mutex::default(),
            }),
        }
    }

    pub(super) fn config(&self) -> MutexGuard<'_, Config> {
        unpoisoned(&self.shared.config)
    }

    pub(super) fn irqs(&self) -> MutexGuard<'_, Irqs> {
        unpoisoned(&self.shared.irqs)
    }

    pub(super) fn iommu(&self) -> MutexGuard<'_, Iommu> {
        unpoisoned(&self.shared.iommu)
    }

    pub(super) fn acted(&self, act: Act) {
        unpoisoned(&self.shared.acts).push(act);
    }

    /// What was done to the device until now, in order.
    pub fn acts(&self) -> Vec<Act> {
        unpoisoned(&self.shared.acts).clone()
    }

    /// The device reads memory.
    ///
    /// # Errors
    /// [`Fault`] where the range is not mapped or bus mastering is off; it is also kept for [`Bus::faults`].
    pub fn dma_read(&self, iova: Iova, data: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault { iova, len: data.len() };
        self.note(if self.bus_master() { self.iommu().read(iova, data) } else { Err(fault) })
    }

    /// The device writes memory.
    ///
    /// # Errors
    /// As [`Bus::dma_read`].
    pub fn dma_write(&self, iova: Iova, data: &[u8]) -> Result<(), Fault> {
        let fault = Fault { iova, len: data.len() };
        self.note(if self.bus_master() { self.iommu().write(iova, data) } else { Err(fault) })
    }

    fn note(&self, outcome: Result<(), Fault>) -> Result<(), Fault> {
        if let Err(fault) = outcome {
            unpoisoned(&self.shared.faults).push(fault);
        }
        outcome
    }

    /// The device drives its INTx line.
    pub fn set_line(&self, asserted: bool) {
        self.irqs().set_line(asserted);
    }

    /// The device sends the message of a vector.
    pub fn message(&self, vector: u32) {
        self.irqs().message(vector);
    }

    /// The driver has enabled MSI or MSI-X.
    pub fn messages_enabled(&self) -> bool {
        self.irqs().messages_enabled()
    }

    /// The driver has let the device read and write memory.
    pub fn bus_master(&self) -> bool {
        self.config().bus_master()
    }

    /// Every DMA that went nowhere.
    pub fn faults(&self) -> Vec<Fault> {
        unpoisoned(&self.shared.faults).clone()
    }

    /// How often INTx was unmasked.
    pub fn unmasks(&self) -> u64 {
        self.irqs().unmasks()
    }

    /// INTx has fired and was not unmasked since.
    pub fn masked(&self) -> bool {
        self.irqs().masked()
    }

    /// How often eventfds were attached or detached.
    pub fn triggers(&self) -> u64 {
        self.irqs().triggers()
    }

    /// How many mappings the IOMMU holds.
    pub fn mappings(&self) -> usize {
        self.iommu().mapped()
    }
}
