//! What a model's device reaches: its interrupts, and memory through the IOMMU.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::ModelConfig;
use super::config::Config;
use super::iommu::Iommu;
use super::irqs::Irqs;
use crate::backend::{Iova, IrqIndex};
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
    /// The function was closed, while somebody held it.
    Closed,
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
    closed: AtomicBool,
    pulled: AtomicBool,
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
                closed: AtomicBool::new(false),
                pulled: AtomicBool::new(false),
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

    /// The function is closed: its mappings and eventfds go with it.
    pub(super) fn close(&self) {
        if !self.shared.closed.swap(true, Ordering::AcqRel) {
            self.acted(Act::Closed);
            self.irqs().close();
            self.iommu().close();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_pulled(&self) -> bool {
        self.shared.pulled.load(Ordering::Acquire)
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

    /// The host asks for the device back; nobody hears it where nobody listens.
    pub fn request_release(&self) {
        self.irqs().source(IrqIndex::Request);
    }

    /// The device reports an error that it cannot correct.
    pub fn raise_error(&self) {
        self.irqs().source(IrqIndex::Error);
    }

    /// The device is pulled out: it reads as all ones, and writes go nowhere.
    pub fn pull(&self) {
        self.shared.pulled.store(true, Ordering::Release);
    }

    /// The driver has enabled MSI or MSI-X.
    pub fn messages_enabled(&self) -> bool {
        matches!(self.interrupts(), Some(IrqIndex::Msi | IrqIndex::Msix))
    }

    /// The kind of interrupts that the driver has enabled.
    pub fn interrupts(&self) -> Option<IrqIndex> {
        self.irqs().active()
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
