//! Doorbells: how a device is told that a queue has something new.

use dirql::region::{Bar, Register};
use dirql::{Error, ErrorKind, Result};

use super::capability::Structure;

/// One queue's doorbell.
#[derive(Debug, Clone)]
pub struct Doorbell {
    bar: Bar,
    register: Register<u16>,
    queue: u16,
}

impl Doorbell {
    /// The doorbell of `queue`, whose queue_notify_off is `offset`.
    ///
    /// Source: VIRTIO 1.2, 4.1.4.4.
    pub(super) fn new(notify: &Structure, queue: u16, offset: u16) -> Result<Self> {
        let at = notify.at;
        let within = u64::from(offset) * u64::from(at.multiplier);
        let place = at.offset + within;
        if within + 2 > at.len || !place.is_multiple_of(2) {
            return Err(Error::new(ErrorKind::Device, format!("look-up of the doorbell of queue {queue}"))
                .on(notify.bar.address())
                .why(format!(
                    "{offset} times {} is not in its structure of {:#x} bytes at {:#x}",
                    at.multiplier, at.len, at.offset
                )));
        }
        let register = Register::new(place, "queue_notify");
        Ok(Self { bar: notify.bar.clone(), register, queue })
    }

    /// Rings it.
    ///
    /// # Errors
    /// Where the register cannot be written.
    #[inline]
    pub fn ring(&self) -> Result<()> {
        self.bar.write(self.register, self.queue)
    }
}
