//! What the rows have in common: a device that does nothing by itself, and a stopwatch.

use std::time::Instant;

use dirql::Device;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::interrupt::{Handled, Interrupts, Mode, Vector};

struct Silent;

impl Model for Silent {
    fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
    fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
}

/// A device with `vectors` MSI-X vectors that are enabled, and its bus.
pub fn silent(vectors: u16) -> (Interrupts, Bus) {
    let mut config = ModelConfig::new(0x1af4, 0x1110);
    config.msix = vectors;
    let backend = ModelBackend::new(config, Silent);
    let bus = backend.bus();
    let device = Device::from_backend(backend).expect("a model opens");
    (device.interrupts(Mode::Msix).expect("the model has MSI-X"), bus)
}

/// A vector whose state is a counter.
pub fn counter(interrupts: &mut Interrupts, index: u16) -> Vector<u64> {
    interrupts.connect(index, 0, |_, _| Handled::Yes).expect("nothing is connected")
}

/// Nanoseconds for one of `count` calls.
pub fn each(count: u32, mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..count).for_each(|_| call());
    began.elapsed().as_nanos() as f64 / f64::from(count)
}
