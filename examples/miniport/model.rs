//! The sampler in software.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};

use super::driver::{
    ACKNOWLEDGE, AVAILABLE, CAUSE, CAUSE_OVERRUN, CAUSE_SAMPLE, CONTROL, CONTROL_RUN, FIFO_DEPTH, SAMPLE,
};

/// What the registers hold.
#[derive(Debug, Default)]
pub struct Registers {
    pub control: u32,
    pub causes: u32,
    pub fifo: VecDeque<u32>,
    /// How often the device was set running with samples of before its pause: somebody wrote an old CONTROL back.
    pub lost_pauses: u32,
}

/// The analog side: samples come from here. Clones are of the same device.
#[derive(Clone)]
pub struct Source {
    registers: Arc<Mutex<Registers>>,
    bus: Bus,
}

/// A sampler that interrupts by one message, or by its line; and its source.
pub fn sampler(messages: u16) -> (ModelBackend, Source) {
    let mut config = ModelConfig::new(0x1af4, 0x1110);
    config.bars[0] = 0x1000;
    (config.intx, config.msi) = (true, messages);
    let registers = Arc::<Mutex<Registers>>::default();
    let backend = ModelBackend::new(config, Sampler { registers: registers.clone() });
    let bus = backend.bus();
    (backend, Source { registers, bus })
}

impl Source {
    /// Something was measured: false where the device does not run, or has no room and tells so.
    pub fn sample(&self, value: u32) -> bool {
        let mut registers = self.registers();
        if registers.control & CONTROL_RUN == 0 {
            return false;
        }
        let fits = registers.fifo.len() < FIFO_DEPTH as usize;
        if fits {
            registers.fifo.push_back(value);
        }
        registers.causes |= if fits { CAUSE_SAMPLE } else { CAUSE_OVERRUN };
        if self.bus.messages_enabled() {
            self.bus.message(0)
        } else {
            self.bus.set_line(true)
        }
        fits
    }

    /// The registers, to look at.
    pub fn registers(&self) -> MutexGuard<'_, Registers> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sampler {
    registers: Arc<Mutex<Registers>>,
}

impl Sampler {
    fn registers(&self) -> MutexGuard<'_, Registers> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model for Sampler {
    fn read(&mut self, _: &Bus, _: u8, offset: u64, data: &mut [u8]) {
        let mut registers = self.registers();
        let value = match offset {
            _ if CONTROL.is_at(offset) => registers.control,
            _ if CAUSE.is_at(offset) => registers.causes,
            _ if AVAILABLE.is_at(offset) => registers.fifo.len() as u32,
            _ if SAMPLE.is_at(offset) => registers.fifo.pop_front().unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        for (byte, of_value) in data.iter_mut().zip(value.to_le_bytes()) {
            *byte = of_value;
        }
    }

    fn write(&mut self, bus: &Bus, _: u8, offset: u64, data: &[u8]) {
        let mut bytes = [0; 4];
        bytes.iter_mut().zip(data).for_each(|(byte, of_data)| *byte = *of_data);
        let (value, mut registers) = (u32::from_le_bytes(bytes), self.registers());
        match offset {
            _ if CONTROL.is_at(offset) => {
                let started = value & !registers.control & CONTROL_RUN != 0;
                registers.lost_pauses += u32::from(started && !registers.fifo.is_empty());
                registers.control = value;
            }
            _ if ACKNOWLEDGE.is_at(offset) => {
                registers.causes &= !value;
                bus.set_line(registers.causes != 0);
            }
            _ => {}
        }
    }
}
