//! The cable in the chip's socket, and a window in its lid.

use std::sync::{Arc, Mutex};

use dirql::backend::model::Bus;

use super::core::Core;
use super::delivery::Delivery;
use super::receive::Told;
use super::{VECTORS, lock};

/// The network's end of the cable. Clones are the same cable.
#[derive(Clone)]
pub struct Wire {
    core: Arc<Mutex<Core>>,
    bus: Bus,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(core: Arc<Mutex<Core>>, bus: Bus) -> Self {
        Self { core, bus }
    }

    /// Takes the frames that were sent since the last time, without their check sequences.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut lock(&self.core).sent)
    }

    /// Sends a frame, without its check sequence, to the chip.
    pub fn inject(&self, frame: &[u8]) -> Delivery {
        lock(&self.core).receive(&self.bus, frame)
    }

    /// How many buffers the chip has for what comes by the first queue.
    pub fn room(&self) -> usize {
        lock(&self.core).room(0)
    }

    /// Plugs the cable in, or pulls it.
    pub fn set_link(&self, up: bool) {
        lock(&self.core).set_cable(&self.bus, up);
    }

    /// Keeps the chip from sending, as a congested network does, until it is let go on.
    pub fn hold(&self, held: bool) {
        let mut core = lock(&self.core);
        core.held = held;
        core.send_all(&self.bus);
    }

    /// A chip gone wrong: the next receive descriptor is completed with these values and no data. False where the chip
    /// has none.
    pub fn misdescribe(&self, length: u16, status: u8, errors: u8) -> bool {
        lock(&self.core).misdescribe(&self.bus, Told { length, status, errors, ..Told::default() })
    }

    /// Takes the chip from the bus: every register reads as all ones. Every interrupt is raised once more.
    pub fn vanish(&self) {
        lock(&self.core).gone = true;
        self.bus.set_line(true);
        (0..VECTORS).for_each(|vector| self.bus.message(vector.into()));
    }

    /// What the register at `offset` holds, without the effects of reading it.
    pub fn peek(&self, offset: u64) -> u32 {
        lock(&self.core).get(offset)
    }

    /// How often the register at `offset` was written.
    pub fn writes(&self, offset: u64) -> u64 {
        lock(&self.core).writes(offset)
    }

    /// The bus that the chip is plugged into.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
