//! The model's interrupts, with the rules of `vfio_pci_intrs.c`.

use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

use super::ModelConfig;
use crate::backend::{IrqIndex, IrqInfo};

/// Which kind is enabled, its eventfds, and the line.
#[derive(Debug)]
pub struct Irqs {
    counts: [u32; 3],
    dynamic_msix: bool,
    available: u32,
    active: Option<IrqIndex>,
    eventfds: Vec<Option<EventFd>>,
    line: bool,
    masked: bool,
    unmasks: u64,
    triggers: u64,
}

impl Irqs {
    pub fn new(config: &ModelConfig) -> Self {
        Self {
            counts: [u32::from(config.intx), config.msi.into(), config.msix.into()],
            dynamic_msix: config.dynamic_msix,
            available: config.vectors_available,
            active: None,
            eventfds: Vec::new(),
            line: false,
            masked: false,
            unmasks: 0,
            triggers: 0,
        }
    }

    pub fn info(&self, index: IrqIndex) -> IrqInfo {
        let intx = index == IrqIndex::Intx;
        IrqInfo {
            count: self.counts.get(index as usize).copied().unwrap_or(0),
            maskable: intx,
            automasked: intx,
            noresize: !(intx || index == IrqIndex::Msix && self.dynamic_msix),
        }
    }

    pub fn set_trigger(
        &mut self,
        index: IrqIndex,
        start: u32,
        eventfds: Vec<Option<EventFd>>,
    ) -> Result<Option<u32>, Errno> {
        let info = self.info(index);
        let end = start + eventfds.len() as u32;
        let other = self.active.is_some_and(|active| active != index);
        if other || eventfds.is_empty() || end > info.count {
            return Err(Errno::EINVAL);
        }
        // `pci_alloc_irq_vectors`: as many as there are, but none is an error.
        if index != IrqIndex::Intx && end > self.available {
            return if self.available == 0 { Err(Errno::ENOSPC) } else { Ok(Some(self.available)) };
        }
        let grown = end as usize > self.eventfds.len();
        if self.active.is_some() && grown && info.noresize {
            return Err(Errno::EINVAL);
        }
        self.triggers += 1;
        self.active = Some(index);
        if grown {
            self.eventfds.resize_with(end as usize, || None);
        }
        for (slot, eventfd) in self.eventfds[start as usize..].iter_mut().zip(eventfds) {
            *slot = eventfd;
        }
        if index == IrqIndex::Intx {
            self.masked = false;
            self.deliver_line();
        }
        Ok(None)
    }

    pub fn release(&mut self, index: IrqIndex) -> Result<(), Errno> {
        if self.active.is_some_and(|active| active != index) {
            return Err(Errno::EINVAL);
        }
        self.active = None;
        self.eventfds.clear();
        self.masked = false;
        Ok(())
    }

    pub fn fire(&mut self, index: IrqIndex, vector: u32) -> Result<(), Errno> {
        if self.active != Some(index) || vector as usize >= self.eventfds.len() {
            return Err(Errno::EINVAL);
        }
        self.signal(vector)
    }

    pub fn unmask(&mut self, index: IrqIndex, vector: u32) -> Result<(), Errno> {
        if index != IrqIndex::Intx {
            return Err(Errno::ENOTTY);
        }
        if self.active != Some(index) || vector != 0 {
            return Err(Errno::EINVAL);
        }
        self.unmasks += 1;
        self.masked = false;
        self.deliver_line();
        Ok(())
    }

    /// The device drives its interrupt line.
    pub fn set_line(&mut self, asserted: bool) {
        self.line = asserted;
        self.deliver_line();
    }

    /// The device sends a message; lost where nothing listens, as on the real bus.
    pub fn message(&mut self, vector: u32) {
        if matches!(self.active, Some(IrqIndex::Msi | IrqIndex::Msix)) {
            self.signal(vector).unwrap_or_else(|errno| log::debug!("model: message {vector} lost: {errno}"));
        }
    }

    pub fn messages_enabled(&self) -> bool {
        matches!(self.active, Some(IrqIndex::Msi | IrqIndex::Msix))
    }

    pub fn unmasks(&self) -> u64 {
        self.unmasks
    }

    pub fn triggers(&self) -> u64 {
        self.triggers
    }

    pub fn masked(&self) -> bool {
        self.masked
    }

    fn deliver_line(&mut self) {
        if self.line && !self.masked && self.active == Some(IrqIndex::Intx) {
            self.masked = true;
            self.signal(0).unwrap_or_else(|errno| log::debug!("model: INTx lost: {errno}"));
        }
    }

    fn signal(&mut self, vector: u32) -> Result<(), Errno> {
        match self.eventfds.get(vector as usize) {
            Some(Some(eventfd)) => {
                eventfd.write(1).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))
            }
            _ => Ok(()),
        }
    }
}
