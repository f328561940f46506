//! The cable in the device's socket, and a window in its lid.

use std::sync::{Arc, Mutex};

use dirql::Iova;
use dirql::backend::model::{Bus, Fault};

use super::lock;
use super::net::{Delivery, Nic, Sent};
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

/// The network's end of the cable. Clones are the same cable.
#[derive(Clone)]
pub struct Wire {
    nic: Arc<Mutex<Nic>>,
    bus: Bus,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(nic: Arc<Mutex<Nic>>, bus: Bus) -> Self {
        Self { nic, bus }
    }

    /// Takes the frames that were sent since the last time.
    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut lock(&self.nic).sent)
    }

    /// Sends a frame to the device.
    pub fn inject(&self, frame: &[u8]) -> Delivery {
        self.inject_with([0; 12], frame)
    }

    /// Sends a frame to the device, which describes it so.
    pub fn inject_with(&self, header: [u8; 12], frame: &[u8]) -> Delivery {
        lock(&self.nic).receive(&self.bus, header, frame)
    }

    /// Plugs the cable in, or pulls it.
    pub fn set_link(&self, up: bool) {
        let mut nic = lock(&self.nic);
        if nic.link != up {
            nic.link = up;
            nic.common.config_changed(&self.bus);
        }
    }

    /// Keeps the device from sending, as a congested network does, until it is let go on.
    pub fn hold(&self, held: bool) {
        let mut nic = lock(&self.nic);
        nic.held = held;
        if !held {
            (0..nic.common.queues.len() as u16)
                .filter(|queue| queue % 2 == 1)
                .for_each(|queue| nic.send(&self.bus, queue));
        }
    }

    /// The device finds something that it cannot go on with.
    pub fn break_down(&self) {
        lock(&self.nic).common.break_down(&self.bus);
    }

    /// The device answers the next command with this byte.
    pub fn answer(&self, answer: u8) {
        lock(&self.nic).answer = answer;
    }

    /// The commands that were done, by class and code, since the last time; and how many of all were in tables.
    pub fn commands(&self) -> (Vec<(u8, u8)>, u64) {
        let mut nic = lock(&self.nic);
        (std::mem::take(&mut nic.commands), nic.tables)
    }

    /// device_status as it is.
    pub fn status(&self) -> u8 {
        lock(&self.nic).common.status
    }

    /// The features that were agreed on.
    pub fn agreed(&self) -> u64 {
        lock(&self.nic).common.agreed
    }

    /// Where a part of a queue is; 0 where it was never told.
    pub fn area(&self, queue: u16, area: Area) -> u64 {
        let nic = lock(&self.nic);
        nic.common.queues.get(usize::from(queue)).map_or(0, |queue| match area {
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
        lock(&self.nic).common.queues.get(usize::from(queue)).map_or(0xffff, |queue| queue.vector)
    }

    /// How often a queue's doorbell was rung, and how many chains the device has taken from it.
    pub fn heard(&self, queue: u16) -> (u64, u64) {
        lock(&self.nic)
            .common
            .queues
            .get(usize::from(queue))
            .map_or((0, 0), |queue| (queue.rung, queue.popped))
    }

    /// The device takes the next chain from a queue by hand.
    pub fn take(&self, queue: u16) -> Option<Taken> {
        let element = lock(&self.nic).common.pop(&self.bus, queue)?;
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
        lock(&self.nic).common.push(&self.bus, queue, &done);
    }

    /// The device asks for doorbells, or wants none.
    pub fn ask_for_bells(&self, queue: u16, on: bool) {
        lock(&self.nic).common.ask_for_bells(&self.bus, queue, on);
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
