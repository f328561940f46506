//! A window in a device's lid: its registers and queues, whatever device it is.

use std::sync::{Arc, Mutex, MutexGuard};

use dirql::Iova;
use dirql::backend::model::{Bus, Fault};

use super::function::{Function, lock};
use super::ring::Element;

/// A part of a queue's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// The descriptors.
    Descriptors,
    /// What the driver writes.
    Driver,
    /// What the device writes.
    Device,
}

/// A chain that the device was made to take by hand.
#[derive(Debug)]
pub struct Taken {
    element: Element,
}

impl Taken {
    /// How many bytes it may write.
    pub fn room(&self) -> usize {
        self.element.room()
    }

    /// Whether it came in a table.
    pub fn was_indirect(&self) -> bool {
        self.element.was_indirect
    }
}

/// A look at a device, and a hand in it. Clones are of the same device.
#[derive(Clone)]
pub struct Window {
    function: Arc<Mutex<dyn Function>>,
    bus: Bus,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").finish_non_exhaustive()
    }
}

impl Window {
    pub(super) fn new(function: Arc<Mutex<dyn Function>>, bus: Bus) -> Self {
        Self { function, bus }
    }

    fn lock(&self) -> MutexGuard<'_, dyn Function> {
        lock(&*self.function)
    }

    /// The device finds something that it cannot go on with.
    pub fn break_down(&self) {
        self.lock().common().break_down(&self.bus);
    }

    /// device_status as it is.
    pub fn status(&self) -> u8 {
        self.lock().common().status
    }

    /// The features that were agreed on.
    pub fn agreed(&self) -> u64 {
        self.lock().common().agreed
    }

    /// Where a part of a queue is; 0 where it was never told.
    pub fn area(&self, queue: u16, area: Area) -> u64 {
        self.lock().common().queues.get(usize::from(queue)).map_or(0, |queue| match area {
            Area::Descriptors => queue.descriptors,
            Area::Driver => queue.driver,
            Area::Device => queue.device,
        })
    }

    /// A device gone wrong: writes into a part of a queue.
    ///
    /// # Errors
    /// Where nothing is mapped there.
    pub fn scribble(&self, queue: u16, area: Area, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.bus.dma_write(Iova(self.area(queue, area) + offset), bytes)
    }

    /// The vector that a queue has; 0xffff for none.
    pub fn vector(&self, queue: u16) -> u16 {
        self.lock().common().queues.get(usize::from(queue)).map_or(0xffff, |queue| queue.vector)
    }

    /// How often a queue's doorbell was rung, and how many chains the device has taken from it.
    pub fn heard(&self, queue: u16) -> (u64, u64) {
        self.lock().common().queues.get(usize::from(queue)).map_or((0, 0), |queue| (queue.rung, queue.popped))
    }

    /// The device takes the next chain from a queue by hand.
    pub fn take(&self, queue: u16) -> Option<Taken> {
        let element = self.lock().common().pop(&self.bus, queue)?;
        Some(Taken { element })
    }

    /// The device gives chains back all at once, each with these bytes written to it.
    pub fn give(&self, queue: u16, chains: Vec<(Taken, Vec<u8>)>) {
        let write = |(Taken { element }, bytes): (Taken, Vec<u8>)| {
            // Where that is not mapped, the fault is on record.
            let written = element.write(&self.bus, &bytes).unwrap_or(0) as u32;
            (element, written)
        };
        let done: Vec<_> = chains.into_iter().map(write).collect();
        self.lock().common().push(&self.bus, queue, &done);
    }

    /// The device asks for doorbells, or wants none.
    pub fn ask_for_bells(&self, queue: u16, on: bool) {
        self.lock().common().ask_for_bells(&self.bus, queue, on);
    }

    /// What the device has of a chain to read.
    ///
    /// # Errors
    /// Where that is not mapped.
    pub fn read(&self, chain: &Taken) -> Result<Vec<u8>, Fault> {
        chain.element.read(&self.bus)
    }

    /// The bus that the device is plugged into.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
