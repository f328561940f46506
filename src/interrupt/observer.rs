//! Looking at a device's vectors from outside of its driver.

use std::sync::{Arc, Weak};

use super::controller::Controller;
use super::{Histograms, VectorStatistics};
use crate::dma::DmaUsage;
use crate::trace::{Trace, Tracer, Watch};
use crate::{Address, Result};

/// A way to look at a device's vectors that keeps nothing alive: for whoever is not the driver.
///
/// From [`super::Interrupts::observer`] or [`super::Vector::observer`]; clones look at the same device.
#[derive(Debug, Clone)]
pub struct Observer {
    tracer: Arc<Tracer>,
    controller: Weak<Controller>,
}

impl Observer {
    pub(super) fn new(controller: &Arc<Controller>) -> Self {
        let tracer = controller.observation().tracer.clone();
        Self { tracer, controller: Arc::downgrade(controller) }
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.tracer.address()
    }

    /// What was counted of every connected vector, by index; nothing once the interrupts are disabled.
    pub fn statistics(&self) -> Vec<VectorStatistics> {
        self.controller.upgrade().map(|controller| controller.statistics()).unwrap_or_default()
    }

    /// How long things took on every connected vector, by its index.
    pub fn histograms(&self) -> Vec<(u16, Histograms)> {
        self.controller.upgrade().map(|controller| controller.histograms()).unwrap_or_default()
    }

    /// The device's DMA memory; `None` once the interrupts are disabled.
    pub fn dma(&self) -> Option<DmaUsage> {
        self.controller.upgrade().map(|controller| controller.dma())
    }

    /// From now on every section is timed, and not one in 1024, until the watch is dropped.
    pub fn watch(&self) -> Watch {
        self.tracer.watch()
    }

    /// Whether a trace of the device runs.
    pub fn is_tracing(&self) -> bool {
        self.tracer.is_tracing()
    }

    /// Starts a trace with room for `capacity` events; what finds no room is counted.
    ///
    /// # Errors
    /// `Busy` while another trace of the device runs.
    pub fn trace(&self, capacity: usize) -> Result<Trace> {
        self.tracer.trace(capacity)
    }
}
