//! A miniport's driver after its port, on a model of its device: `cargo run --example miniport`.
#![forbid(unsafe_code)]

mod driver;
mod model;

use std::sync::mpsc;
use std::time::Duration;

use dirql::{Device, Error, ErrorKind, Result};

fn main() -> Result<()> {
    let (backend, source) = model::sampler(1);
    let (sender, samples) = mpsc::channel();
    let sampler = driver::Sampler::start(Device::from_backend(backend)?, move |sample| {
        // Nobody listens any more where `main` has ended.
        sender.send(sample).unwrap_or_default();
    })?;
    sampler.set_rate(48)?;
    for value in [3, 1, 4, 1, 5] {
        source.sample(value);
        let sample = samples.recv_timeout(Duration::from_secs(10)).map_err(|_| {
            Error::new(ErrorKind::Device, "sampling").why("a sample did not arrive within 10 s")
        })?;
        println!("sample {}", sample?);
    }
    println!("CONTROL {:#06x}", source.registers().control);
    sampler.stop()
}
