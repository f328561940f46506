//! What the library's suites share: a device that does nothing by itself, and a second thread's patience.
#![allow(dead_code, reason = "each suite uses a part")]

pub mod broken;
pub mod spy;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use dirql::Device;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};

/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A device whose registers hold nothing: its interrupts are raised through the bus.
pub struct Silent;

impl Model for Silent {
    fn read(&mut self, _bus: &Bus, _bar: u8, _offset: u64, _data: &mut [u8]) {}
    fn write(&mut self, _bus: &Bus, _bar: u8, _offset: u64, _data: &[u8]) {}
}

/// A silent device with a line, 4 MSI messages and 5 MSI-X vectors, changed as the test wants it.
pub fn silent(change: impl FnOnce(&mut ModelConfig)) -> (Device, Bus) {
    let backend = silent_backend(change);
    let bus = backend.bus();
    (Device::from_backend(backend).unwrap(), bus)
}

/// The backend of [`silent`].
pub fn silent_backend(change: impl FnOnce(&mut ModelConfig)) -> ModelBackend {
    let mut config = ModelConfig::new(0x1af4, 0x1110);
    config.bars[0] = 0x1000;
    (config.intx, config.msi, config.msix) = (true, 4, 5);
    change(&mut config);
    ModelBackend::new(config, Silent)
}

/// Waits until `condition` holds, and fails loudly if it never does.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Runs `f` on a thread and fails, instead of hanging, where it does not return.
#[track_caller]
pub fn returns<R: Send + 'static>(what: &str, f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(f()));
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what}: did not return within {PATIENCE:?}"))
}

/// The signals that this thread blocks, as the kernel tells them.
pub fn blocked_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}
