//! The registers that all devices have, and their queues.

use dirql::Iova;
use dirql::backend::model::{Bus, Fault};

use super::Options;
use super::ring::{Element, Layout, Queue};

/// Bits of features: as the specification numbers them.
const INDIRECT_DESC: u64 = 1 << 28;
const EVENT_IDX: u64 = 1 << 29;
const VERSION_1: u64 = 1 << 32;
const ACCESS_PLATFORM: u64 = 1 << 33;
const RING_PACKED: u64 = 1 << 34;
const RING_RESET: u64 = 1 << 40;

const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;
const NO_VECTOR: u16 = 0xffff;

/// The transport's state.
#[derive(Debug)]
pub struct Common {
    pub options: Options,
    pub offered: u64,
    pub agreed: u64,
    pub status: u8,
    pub generation: u8,
    pub queues: Vec<Queue>,
    config_vector: u16,
    isr: u8,
    device_select: u32,
    driver_select: u32,
    queue_select: u16,
    /// Was left running, with a queue at an address that is no longer mapped.
    pub busy: bool,
}

impl Common {
    /// The transport of a device that offers these features of its type beside the transport's.
    pub fn new(options: Options, offered: u64, queues: Vec<Queue>) -> Self {
        let transport = [
            (options.indirect_desc, INDIRECT_DESC),
            (options.event_idx, EVENT_IDX),
            (options.version_1, VERSION_1),
            (options.access_platform, ACCESS_PLATFORM),
            (options.packed, RING_PACKED),
            (options.ring_reset, RING_RESET),
        ];
        let offered = transport.iter().filter(|(on, _)| *on).fold(offered, |all, (_, bit)| all | bit);
        Self {
            options,
            offered,
            agreed: 0,
            status: 0,
            generation: 0,
            queues,
            config_vector: NO_VECTOR,
            isr: 0,
            device_select: 0,
            driver_select: 0,
            queue_select: 0,
            busy: false,
        }
    }

    pub fn reset(&mut self, bus: &Bus) {
        let queues = self.queues.iter().map(|queue| Queue::new(queue.most)).collect();
        *self = Self::new(self.options.clone(), self.offered, queues);
        bus.set_line(false);
    }

    /// As a killed process leaves it: running, with a queue at an address that is no longer mapped.
    pub fn leave_running(&mut self) {
        self.status = 15;
        self.agreed = VERSION_1 | ACCESS_PLATFORM;
        let queue = &mut self.queues[0];
        (queue.descriptors, queue.driver, queue.device) = (0xdead_0000, 0xdead_1000, 0xdead_2000);
        queue.enable(Default::default());
        self.busy = true;
    }

    /// What goes on without the driver's doing: a device that was left running works with what it was left with.
    pub fn elapse(&mut self, bus: &Bus) {
        if self.busy && self.is_running(bus) {
            // The fault is on record.
            let _ = bus.dma_write(Iova(self.queues[0].device), &[1]);
        }
    }

    pub fn layout(&self) -> Layout {
        Layout {
            packed: self.agreed & RING_PACKED != 0,
            events: self.agreed & EVENT_IDX != 0,
            indirect: self.agreed & INDIRECT_DESC != 0,
        }
    }

    pub fn has(&self, bit: u32) -> bool {
        self.agreed >> bit & 1 != 0
    }

    /// The device works on its queues.
    pub fn is_running(&self, bus: &Bus) -> bool {
        self.status & DRIVER_OK != 0 && bus.bus_master()
    }

    /// The next chain of a queue. What the driver cannot be believed is the end of the device, as it would be.
    pub fn pop(&mut self, bus: &Bus, queue: u16) -> Option<Element> {
        let layout = self.layout();
        let popped = self.queues.get_mut(usize::from(queue)).map(|queue| queue.pop(bus, layout));
        self.unless_broken(popped.unwrap_or(Ok(None)))
    }

    /// Gives chains back all at once, and tells the driver, where it wants to know.
    pub fn push(&mut self, bus: &Bus, queue: u16, done: &[(Element, u32)]) {
        let layout = self.layout();
        let Some(at) = self.queues.get_mut(usize::from(queue)) else { return };
        let told = at.push(bus, layout, done).and_then(|()| at.wants_interrupt(bus, layout));
        let vector = at.vector;
        if self.unless_broken(told.map(|wanted| wanted.then_some(()))).is_some() {
            self.raise(bus, vector, 1);
        }
    }

    pub fn ask_for_bells(&mut self, bus: &Bus, queue: u16, on: bool) {
        let layout = self.layout();
        if let Some(queue) = self.queues.get_mut(usize::from(queue)).filter(|queue| queue.enabled) {
            let asked = queue.ask_for_bells(bus, layout, on);
            self.unless_broken(asked.map(Some));
        }
    }

    fn unless_broken<R>(&mut self, outcome: Result<Option<R>, Fault>) -> Option<R> {
        outcome.unwrap_or_else(|_| {
            self.status |= NEEDS_RESET;
            None
        })
    }

    /// Tells the driver by a vector, or by the line and its cause.
    fn raise(&mut self, bus: &Bus, vector: u16, cause: u8) {
        if bus.messages_enabled() {
            if vector != NO_VECTOR {
                bus.message(vector.into());
            }
        } else {
            self.isr |= cause;
            bus.set_line(true);
        }
    }

    /// The configuration has changed.
    pub fn config_changed(&mut self, bus: &Bus) {
        self.generation = self.generation.wrapping_add(1);
        if self.status & DRIVER_OK != 0 {
            self.raise(bus, self.config_vector, 2);
        }
    }

    pub fn break_down(&mut self, bus: &Bus) {
        self.status |= NEEDS_RESET;
        self.raise(bus, self.config_vector, 2);
    }

    pub fn read_isr(&mut self, bus: &Bus) -> u8 {
        bus.set_line(false);
        std::mem::take(&mut self.isr)
    }

    fn queue(&self) -> Option<&Queue> {
        self.queues.get(usize::from(self.queue_select))
    }

    /// The register at `offset`, of whatever width.
    pub fn read(&mut self, offset: u64) -> u64 {
        let half = |address: u64, offset: u64| address >> (8 * (offset & 4)) & 0xffff_ffff;
        let queue = |value: fn(&Queue) -> u64| self.queue().map_or(0, value);
        match offset {
            0x00 => self.device_select.into(),
            0x04 if self.device_select < 2 => self.offered >> (32 * self.device_select) & 0xffff_ffff,
            0x08 => self.driver_select.into(),
            0x0c if self.driver_select < 2 => self.agreed >> (32 * self.driver_select) & 0xffff_ffff,
            0x10 => self.config_vector.into(),
            0x12 => self.queues.len() as u64,
            0x14 => self.status.into(),
            0x15 => {
                if self.options.restless > 0 {
                    self.options.restless -= 1;
                    self.generation = self.generation.wrapping_add(1);
                }
                self.generation.into()
            }
            0x16 => self.queue_select.into(),
            0x18 => queue(|queue| queue.size.into()),
            0x1a => queue(|queue| queue.vector.into()),
            0x1c => queue(|queue| queue.enabled.into()),
            0x1e => self.queue_select.into(),
            0x20 | 0x24 => half(queue(|queue| queue.descriptors), offset),
            0x28 | 0x2c => half(queue(|queue| queue.driver), offset),
            0x30 | 0x34 => half(queue(|queue| queue.device), offset),
            _ => 0,
        }
    }

    /// Writes the register at `offset`; true where the device was reset.
    pub fn write(&mut self, bus: &Bus, offset: u64, value: u64) -> bool {
        let vector = if value < self.options.vectors_taken.into() { value as u16 } else { NO_VECTOR };
        let layout = self.layout();
        let halves = |address: &mut u64, offset: u64| {
            let shift = 8 * (offset & 4);
            *address = *address & !(0xffff_ffff << shift) | (value & 0xffff_ffff) << shift;
        };
        match offset {
            0x00 => self.device_select = value as u32,
            0x08 => self.driver_select = value as u32,
            0x0c if self.driver_select < 2 && self.status & FEATURES_OK == 0 => {
                let shift = 32 * self.driver_select;
                self.agreed = self.agreed & !(0xffff_ffff << shift) | (value & 0xffff_ffff) << shift;
            }
            0x10 => self.config_vector = vector,
            0x14 => return self.write_status(bus, value as u8),
            0x16 => self.queue_select = value as u16,
            _ => {}
        }
        let Some(queue) = self.queues.get_mut(usize::from(self.queue_select)) else { return false };
        match offset {
            0x18 => queue.size = value as u16,
            0x1a => queue.vector = vector,
            0x1c if value == 1 => queue.enable(layout),
            0x20 | 0x24 => halves(&mut queue.descriptors, offset),
            0x28 | 0x2c => halves(&mut queue.driver, offset),
            0x30 | 0x34 => halves(&mut queue.device, offset),
            0x3a if value == 1 => *queue = Queue::new(queue.most),
            _ => {}
        }
        false
    }

    fn write_status(&mut self, bus: &Bus, status: u8) -> bool {
        if status == 0 {
            if !self.options.deaf {
                self.reset(bus);
            }
            return !self.options.deaf;
        }
        let taken = self.agreed & !self.offered == 0 && !self.options.fickle;
        self.status = if taken { status } else { status & !FEATURES_OK };
        false
    }
}
