//! A virtio network device as software, so that the driver runs in `cargo test`, without hardware, VM or privileges.
//!
//! [`Adapter`] is a device that is not plugged in yet, with [`Options`] for everything that devices differ in, and for what
//! they do wrong; [`Wire`] is its cable: it reads what was sent, injects frames, pulls the plug. It is the specification
//! read a second time: a driver's mistake is a panic or a frame that does not arrive. Not modelled: what becomes of
//! checksums and segments, which are handed on as the driver described them, and time.
//!
//! ```
//! use dirql::class::net::{Net, Outgoing};
//! use dirql_virtio::model::{Adapter, Options};
//! use dirql_virtio::net::VirtioNet;
//!
//! let (device, wire) = Adapter::new(Options { packed: true, ..Options::default() }).plug_in()?;
//! let mut net = VirtioNet::start(device, &Default::default())?;
//! let mut frames = [[0x5a_u8; 60]].into_iter();
//! let sent = net.queue().transmit(&mut |room| {
//!     let frame = frames.next()?;
//!     room[..frame.len()].copy_from_slice(&frame);
//!     Some(Outgoing::from(frame.len()))
//! })?;
//! assert_eq!((sent, wire.sent()[0].frame.clone()), (1, vec![0x5a; 60]));
//! # Ok::<(), dirql::Error>(())
//! ```

mod common;
mod net;
mod options;
mod ring;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::class::net::Mac;
use dirql::{Device, Result};

use self::net::Nic;
pub use self::net::{Delivery, Sent};
pub use self::options::Options;
pub use self::wire::{Area, Wire};

/// Where the structures are in BAR 4.
const COMMON: u64 = 0;
const ISR: u64 = 0x1000;
const SPECIFIC: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
/// Bytes of each of them but the doorbells.
const LEN: u64 = 0x1000;
/// The common configuration, with queue_reset.
const COMMON_LEN: u64 = 0x3c;

/// A device that is not plugged in yet.
#[derive(Debug)]
pub struct Adapter {
    nic: Nic,
}

impl Adapter {
    /// The address that it has.
    pub const MAC: Mac = Mac([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);

    /// A device after power-on, with a cable in.
    pub fn new(options: Options) -> Self {
        Self { nic: Nic::new(options) }
    }

    /// As a killed process leaves it: running, with a queue at an address that is no longer mapped. The network is busy, so
    /// that the device reaches there as soon as it may master the bus.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.nic.leave_running();
        self
    }

    /// Plugs the device into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Wire)> {
        let config = config(&self.nic.common.options, self.nic.common.queues.len() as u64);
        let nic = Arc::new(Mutex::new(self.nic));
        let backend = ModelBackend::new(config, Plugged { nic: nic.clone() });
        let wire = Wire::new(nic, backend.bus());
        Ok((Device::from_backend(backend)?, wire))
    }
}

/// The device from outside.
fn config(options: &Options, queues: u64) -> ModelConfig {
    let multiplier: u32 = if options.page_per_vq { 4096 } else { 4 };
    let notify_len = u64::from(multiplier) * queues;
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
    let id = if options.legacy { 0x1000 } else { 0x1041 };
    ModelConfig {
        class: 0x02_0000,
        bars: [0, 0, 4, 0, NOTIFY + notify_len.next_multiple_of(LEN), 0],
        intx: true,
        msix: options.vectors,
        capabilities,
        ..ModelConfig::new(0x1af4, id)
    }
}

/// The device's side to the bus.
struct Plugged {
    nic: Arc<Mutex<Nic>>,
}

impl Model for Plugged {
    fn read(&mut self, bus: &Bus, bar: u8, offset: u64, data: &mut [u8]) {
        let mut nic = lock(&self.nic);
        if bar != 4 {
            return;
        }
        let value = match offset {
            COMMON..ISR => {
                nic.elapse(bus);
                nic.common.read(offset)
            }
            ISR..SPECIFIC => nic.common.read_isr(bus).into(),
            SPECIFIC..NOTIFY => return nic.read_config(offset - SPECIFIC, data),
            _ => 0,
        };
        let len = data.len();
        data.copy_from_slice(&value.to_le_bytes()[..len]);
    }

    fn write(&mut self, bus: &Bus, bar: u8, offset: u64, data: &[u8]) {
        let mut bytes = [0; 8];
        bytes[..data.len()].copy_from_slice(data);
        let value = u64::from_le_bytes(bytes);
        let mut nic = lock(&self.nic);
        match (bar, offset) {
            (2, _) => nic.notified(bus, value as u16),
            (4, COMMON..ISR) if nic.common.write(bus, offset, value) => nic.forget(),
            (4, NOTIFY..) => {
                let multiplier = if nic.common.options.page_per_vq { 4096 } else { 4 };
                assert_eq!(
                    (data.len(), (offset - NOTIFY) / multiplier),
                    (2, value),
                    "a doorbell of its queue"
                );
                nic.notified(bus, value as u16);
            }
            _ => {}
        }
    }
}

/// A test that panicked with the device in its hands does not keep others from looking at it.
fn lock(nic: &Mutex<Nic>) -> MutexGuard<'_, Nic> {
    nic.lock().unwrap_or_else(PoisonError::into_inner)
}
