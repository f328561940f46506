//! The model's interrupts, with the rules of `vfio_pci_intrs.c`.

use nix::errno::Errno;
use vmm_sys_util::eventfd::EventFd;

use super::ModelConfig;
use crate::backend::{IrqIndex, IrqInfo};

/// Which kind is enabled, its eventfds, and the line.
#[derive(Debug)]
pub struct Irqs {
    /// By index: three kinds of interrupt, the error source and the request source.
    counts: [u32; 5],
    dynamic_msix: bool,
    available: u32,
    active: Option<IrqIndex>,
    eventfds: Vec<Option<EventFd>>,
    /// Of the error source and the request source, beside whatever is enabled.
    sources: [Option<EventFd>; 2],
    line: bool,
    masked: bool,
    unmasks: u64,
    triggers: u64,
}

impl Irqs {
    pub fn new(config: &ModelConfig) -> Self {
        Self {
            counts: [
                config.intx.into(),
                config.msi.into(),
                config.msix.into(),
                config.error.into(),
                config.request.into(),
            ],
            sources: [None, None],
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
            count: self.counts[index as usize],
            maskable: intx,
            automasked: intx,
            noresize: !(intx || index == IrqIndex::Msix && self.dynamic_msix),
        }
    }

    /// The kind that is on, and how many of its vectors.
    pub fn on(&self) -> Option<(IrqIndex, u32)> {
        self.active.map(|index| (index, self.eventfds.len() as u32))
    }

    pub fn set_trigger(
        &mut self,
        index: IrqIndex,
        start: u32,
        mut eventfds: Vec<Option<EventFd>>,
    ) -> Result<Option<u32>, Errno> {
        let info = self.info(index);
        let end = start + eventfds.len() as u32;
        if let Some(source) = source_of(index) {
            return match eventfds.pop() {
                Some(eventfd) if end == 1 && info.count == 1 => {
                    self.sources[source] = eventfd;
                    Ok(None)
                }
                _ => Err(Errno::EINVAL),
            };
        }
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
        if let Some(source) = source_of(index) {
            self.sources[source] = None;
            return Ok(());
        }
        if self.active.is_some_and(|active| active != index) {
            return Err(Errno::EINVAL);
        }
        self.active = None;
        self.eventfds.clear();
        self.masked = false;
        Ok(())
    }

    pub fn fire(&mut self, index: IrqIndex, vector: u32) -> Result<(), Errno> {
        if let Some(source) = source_of(index) {
            return if vector == 0 { signal(self.sources[source].as_ref()) } else { Err(Errno::EINVAL) };
        }
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

    /// The error source or the request source is raised; lost where nothing listens.
    pub fn source(&mut self, index: IrqIndex) {
        self.fire(index, 0).unwrap_or_else(|errno| log::debug!("model: {index} lost: {errno}"));
    }

    /// Nobody is signalled any more.
    pub fn close(&mut self) {
        (self.active, self.sources) = (None, [None, None]);
        self.eventfds.clear();
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

    pub fn active(&self) -> Option<IrqIndex> {
        self.active
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
        signal(self.eventfds.get(vector as usize).and_then(Option::as_ref))
    }
}

/// Where the index is in `sources`; `None` for a kind of interrupt.
fn source_of(index: IrqIndex) -> Option<usize> {
    (index as usize).checked_sub(IrqIndex::Error as usize)
}

fn signal(eventfd: Option<&EventFd>) -> Result<(), Errno> {
    eventfd.map_or(Ok(()), |eventfd| {
        eventfd.write(1).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    })
}
