//! A device of any type on a bus of its own.

use std::sync::{Arc, Mutex};

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::{Device, Result};

use super::common::Common;
use super::function::{Function, lock};
use super::window::Window;

/// Where the structures are in BAR 4.
const COMMON: u64 = 0;
const ISR: u64 = 0x1000;
const SPECIFIC: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
/// Bytes of each of them but the doorbells.
const LEN: u64 = 0x1000;
/// The common configuration, with queue_reset.
const COMMON_LEN: u64 = 0x3c;

/// A device type from outside.
pub struct Identity {
    /// The PCI device id of version 1 and later, and that of before.
    pub ids: (u16, u16),
    /// The class code.
    pub class: u32,
}

/// Plugs a device into a bus of its own.
pub fn plug_in<F: Function>(mut function: F, identity: &Identity) -> Result<(Device, Arc<Mutex<F>>, Window)> {
    let config = outside(function.common(), identity);
    let function = Arc::new(Mutex::new(function));
    let backend = ModelBackend::new(config, Plugged { function: function.clone() });
    let window = Window::new(function.clone(), backend.bus());
    Ok((Device::from_backend(backend)?, function, window))
}

/// The device from outside.
fn outside(common: &Common, identity: &Identity) -> ModelConfig {
    let options = &common.options;
    let multiplier: u32 = if options.page_per_vq { 4096 } else { 4 };
    let notify_len = u64::from(multiplier) * common.queues.len() as u64;
    let mut capabilities = Vec::new();
    let mut add = |kind: u8, bar: u8, offset: u64, len: u64, multiplier: Option<u32>| {
        let mut capability = vec![9, 0, if multiplier.is_some() { 20 } else { 16 }, kind, bar, 0, 0, 0];
        capability.extend((offset as u32).to_le_bytes());
        capability.extend((len as u32).to_le_bytes());
        capability.extend(multiplier.into_iter().flat_map(u32::to_le_bytes));
        capabilities.push(capability);
    };
    if !options.legacy {
        if options.pio_notify {
            add(2, 2, 0, 4, Some(0));
        }
        add(2, 4, NOTIFY, notify_len, Some(multiplier));
        add(4, 4, SPECIFIC, options.config_len, None);
        add(3, 4, ISR, LEN, None);
        add(1, 4, COMMON + options.common_offset, COMMON_LEN, None);
    }
    let id = if options.legacy { identity.ids.1 } else { identity.ids.0 };
    ModelConfig {
        class: identity.class,
        bars: [0, 0, 4, 0, NOTIFY + notify_len.next_multiple_of(LEN), 0],
        intx: true,
        msix: options.vectors,
        capabilities,
        ..ModelConfig::new(0x1af4, id)
    }
}

/// The device's side to the bus.
struct Plugged<F> {
    function: Arc<Mutex<F>>,
}

impl<F: Function> Plugged<F> {
    fn notified(function: &mut F, bus: &Bus, queue: u16) {
        if let Some(queue) = function.common().queues.get_mut(usize::from(queue)) {
            queue.rung += 1;
        }
        function.notified(bus, queue);
    }
}

impl<F: Function> Model for Plugged<F> {
    fn read(&mut self, bus: &Bus, bar: u8, offset: u64, data: &mut [u8]) {
        let mut function = lock(&self.function);
        if bar != 4 {
            return;
        }
        let value = match offset {
            COMMON..ISR => {
                function.common().elapse(bus);
                function.common().read(offset)
            }
            ISR..SPECIFIC => function.common().read_isr(bus).into(),
            SPECIFIC..NOTIFY => {
                let (mut config, at) = (function.config(), (offset - SPECIFIC) as usize);
                config.resize(LEN as usize, 0);
                return data.copy_from_slice(&config[at..at + data.len()]);
            }
            _ => 0,
        };
        let len = data.len();
        data.copy_from_slice(&value.to_le_bytes()[..len]);
    }

    fn write(&mut self, bus: &Bus, bar: u8, offset: u64, data: &[u8]) {
        let mut bytes = [0; 8];
        bytes[..data.len()].copy_from_slice(data);
        let value = u64::from_le_bytes(bytes);
        let mut function = lock(&self.function);
        match (bar, offset) {
            (2, _) => Self::notified(&mut function, bus, value as u16),
            (4, COMMON..ISR) if function.common().write(bus, offset, value) => function.forget(),
            (4, SPECIFIC..NOTIFY) => function.write_config(offset - SPECIFIC, data),
            (4, NOTIFY..) => {
                let multiplier = if function.common().options.page_per_vq { 4096 } else { 4 };
                assert_eq!(
                    (data.len(), (offset - NOTIFY) / multiplier),
                    (2, value),
                    "a doorbell of its queue"
                );
                Self::notified(&mut function, bus, value as u16);
            }
            _ => {}
        }
    }
}
