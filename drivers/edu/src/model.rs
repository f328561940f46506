//! edu in software, for tests without a VM.

use dirql::Iova;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};

use crate::{CAUSE_DMA, CAUSE_FACTORIAL, DEVICE_BUFFER, DMA_FROM_DEVICE, DMA_INTERRUPT_WHEN_DONE, DMA_START};
use crate::{
    DMA_COMMAND, DMA_COUNT, DMA_DESTINATION, DMA_SOURCE, FACTORIAL, IDENTIFICATION, INTERRUPT_ACKNOWLEDGE,
    INTERRUPT_STATUS, STATUS, STATUS_INTERRUPT_WHEN_DONE,
};
use dirql::region::Register;

const INTERRUPT_RAISE: Register<u32> = Register::new(0x60, "INTERRUPT_RAISE");
const LIVENESS: Register<u32> = Register::new(0x04, "LIVENESS");

/// The device's state. DMA and factorials are done by the time the write of their command returns.
#[derive(Debug)]
pub struct EduModel {
    liveness: u32,
    factorial: u32,
    status: u32,
    causes: u32,
    source: u64,
    destination: u64,
    count: u64,
    buffer: Vec<u8>,
}

impl EduModel {
    /// The device at power-on, on a bus of its own: a line, one MSI message, and DMA of 28 bits.
    pub fn backend() -> ModelBackend {
        Self::backend_with(|_| ())
    }

    /// The same with another configuration: no MSI, say.
    pub fn backend_with(change: impl FnOnce(&mut ModelConfig)) -> ModelBackend {
        let mut config = ModelConfig::new(0x1234, 0x11e8);
        config.bars[0] = 1 << 20;
        config.intx = true;
        config.msi = 1;
        change(&mut config);
        let buffer = vec![0; 4096];
        let model = Self {
            liveness: 0,
            factorial: 0,
            status: 0,
            causes: 0,
            source: 0,
            destination: 0,
            count: 0,
            buffer,
        };
        ModelBackend::new(config, model)
    }

    fn raise(&mut self, bus: &Bus, cause: u32) {
        self.causes |= cause;
        if bus.messages_enabled() { bus.message(0) } else { bus.set_line(self.causes != 0) }
    }

    fn transfer(&mut self, bus: &Bus, command: u64) {
        let from_device = command & DMA_FROM_DEVICE != 0;
        let (inside, outside) =
            if from_device { (self.source, self.destination) } else { (self.destination, self.source) };
        let range = inside.checked_sub(DEVICE_BUFFER).and_then(|start| {
            let end = start.checked_add(self.count)?;
            self.buffer.get_mut(start as usize..end as usize)
        });
        // The device drives 28 address bits.
        let outside = Iova(outside & 0x0fff_ffff);
        // A range outside the device's buffer moves nothing. A fault, as on the real bus, only the IOMMU knows of:
        // the bus keeps it for whoever asks.
        if let Some(bytes) = range {
            let moved =
                if from_device { bus.dma_write(outside, bytes) } else { bus.dma_read(outside, bytes) };
            moved.unwrap_or_default();
        }
        if command & DMA_INTERRUPT_WHEN_DONE != 0 {
            self.raise(bus, CAUSE_DMA);
        }
    }
}

impl Model for EduModel {
    fn read(&mut self, _bus: &Bus, _bar: u8, offset: u64, data: &mut [u8]) {
        let value = match offset {
            _ if IDENTIFICATION.is_at(offset) => 0x0100_00ed,
            _ if LIVENESS.is_at(offset) => self.liveness,
            _ if FACTORIAL.is_at(offset) => self.factorial,
            _ if STATUS.is_at(offset) => self.status,
            _ if INTERRUPT_STATUS.is_at(offset) => self.causes,
            _ if DMA_COMMAND.is_at(offset) => 0,
            _ => u32::MAX,
        };
        for (byte, of_value) in data.iter_mut().zip(u64::from(value).to_le_bytes()) {
            *byte = of_value;
        }
    }

    fn write(&mut self, bus: &Bus, _bar: u8, offset: u64, data: &[u8]) {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(data).for_each(|(byte, of_data)| *byte = *of_data);
        let (long, value) = (u64::from_le_bytes(bytes), u64::from_le_bytes(bytes) as u32);
        match offset {
            _ if LIVENESS.is_at(offset) => self.liveness = !value,
            _ if FACTORIAL.is_at(offset) => {
                self.factorial = (1..=value).fold(1, u32::wrapping_mul);
                if self.status & STATUS_INTERRUPT_WHEN_DONE != 0 {
                    self.raise(bus, CAUSE_FACTORIAL);
                }
            }
            _ if STATUS.is_at(offset) => self.status = value & STATUS_INTERRUPT_WHEN_DONE,
            _ if INTERRUPT_RAISE.is_at(offset) => self.raise(bus, value),
            _ if INTERRUPT_ACKNOWLEDGE.is_at(offset) => {
                self.causes &= !value;
                bus.set_line(self.causes != 0);
            }
            _ if DMA_SOURCE.is_at(offset) => self.source = long,
            _ if DMA_DESTINATION.is_at(offset) => self.destination = long,
            _ if DMA_COUNT.is_at(offset) => self.count = long,
            _ if DMA_COMMAND.is_at(offset) && long & DMA_START != 0 => self.transfer(bus, long),
            _ => {}
        }
    }
}
