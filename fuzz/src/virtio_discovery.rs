//! A virtio device whose capabilities and registers are anything: it is started, or it is an error.

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::driver::{Driver, Settings};
use dirql::{Device, ErrorKind};
use dirql_virtio::net::VirtioNet;
use dirql_virtio::rng::VirtioRng;

use crate::input::Input;

const BARS: [u64; 6] = [0x1000, 0, 0x4000, 0, 0x10, 0];
/// Registers that the input can fill.
const REGISTERS: usize = 0x1000;

/// How often a register is read before it gives in.
const PATIENCE: u32 = 20;

/// VIRTIO_NET_F_CTRL_VQ, in the third byte of four.
const CTRL_VQ: u8 = 1 << 1;

/// Memory, where registers should be.
struct Memory {
    bars: [Vec<u8>; 6],
    last: (u8, u64),
    repeated: u32,
}

impl Model for Memory {
    fn read(&mut self, _: &Bus, bar: u8, offset: u64, data: &mut [u8]) {
        // Whoever asks the same again and again waits for 0, and would for seconds.
        self.repeated = if self.last == (bar, offset) { self.repeated + 1 } else { 0 };
        self.last = (bar, offset);
        if self.repeated > PATIENCE {
            return data.fill(0);
        }
        let at = offset as usize;
        data.copy_from_slice(&self.bars[usize::from(bar)][at..at + data.len()]);
        // No control queue is offered: its answers too would be waited for, and there are none.
        if let [_, _, third, _] = data {
            *third &= !CTRL_VQ;
        }
    }

    fn write(&mut self, _: &Bus, bar: u8, offset: u64, data: &[u8]) {
        let at = offset as usize;
        self.bars[usize::from(bar)][at..at + data.len()].copy_from_slice(data);
    }
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let capabilities = (0..flags & 7)
        .map(|_| {
            let mut capability = vec![9, 0, 20];
            capability.extend(input.take(18));
            capability
        })
        .collect();
    let registers = input.rest();
    let mut bars = BARS.map(|len| vec![0; len as usize]);
    for bar in &mut bars {
        bar.iter_mut().zip(registers.iter().cycle()).take(REGISTERS).for_each(|(to, from)| *to = *from);
    }
    let config = ModelConfig {
        bars: BARS,
        intx: flags & 8 != 0,
        msix: if flags & 16 != 0 { 4 } else { 0 },
        capabilities,
        ..ModelConfig::new(0x1af4, 0x1041)
    };
    let device = Device::from_backend(ModelBackend::new(config, Memory { bars, last: (0, 0), repeated: 0 }))
        .expect("a model opens");
    let settings = Settings::default();
    let stopped = match flags & 32 {
        0 => VirtioNet::start(device, &settings).map(|net| Box::new(net).stop()),
        _ => VirtioRng::start(device, &settings).map(|rng| Box::new(rng).stop()),
    };
    match stopped {
        Ok(stopped) => stopped.expect("a device that was reset can be reset again"),
        Err(error) => assert!(!matches!(error.kind(), ErrorKind::Permission | ErrorKind::Busy), "{error}"),
    }
}
