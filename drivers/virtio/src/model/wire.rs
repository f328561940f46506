//! The cable in the device's socket, and a window in its lid.

use std::sync::{Arc, Mutex};

use dirql::Iova;
use dirql::backend::model::{Bus, Fault};

use super::lock;
use super::net::{Delivery, Nic, Sent};

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

    /// The device takes chains from a queue and keeps them.
    pub fn swallow(&self, queue: u16) -> u64 {
        let mut nic = lock(&self.nic);
        std::iter::from_fn(|| nic.common.pop(&self.bus, queue)).count() as u64
    }

    /// The bus that the device is plugged into.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
