//! TCP/IP in the program itself: a dirql network device underneath `smoltcp`.
//!
//! A [`Phy`] is smoltcp's [`Device`] on any [`Net`]. Whoever runs the stack waits for the device's interrupts by
//! [`Queue::wait`](dirql::class::net::Queue::wait), for as long as smoltcp's `poll_delay` says. The example `http_get` is a whole
//! program.
#![forbid(unsafe_code)]

use dirql::class::net::{HEADER, Net};
use dirql::{Error, Result};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// A network device underneath a TCP/IP stack. It uses the device's first pair of rings.
pub struct Phy<'n> {
    net: &'n mut dyn Net,
    frame: Vec<u8>,
    /// smoltcp has no way to report a failure of the device, so it waits here.
    failed: Option<Error>,
}

impl<'n> Phy<'n> {
    /// The device, which was started with one pair of rings and without offloads.
    pub fn new(net: &'n mut dyn Net) -> Self {
        let frame = Vec::with_capacity(HEADER + net.mtu() as usize);
        Self { net, frame, failed: None }
    }

    /// The device itself.
    pub fn net(&mut self) -> &mut dyn Net {
        self.net
    }

    /// How the device has fared since the last call.
    ///
    /// # Errors
    /// The first failure.
    pub fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Device for Phy<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Room<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        let Self { net, frame, failed } = self;
        frame.clear();
        match net.queue().receive(1, &mut |received| {
            received.parts().iter().for_each(|part| frame.extend_from_slice(part))
        }) {
            Ok(0) => None,
            Ok(_) => Some((Received(frame), Room { net: &mut **net, failed })),
            Err(error) => {
                failed.get_or_insert(error);
                None
            }
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room { net: &mut *self.net, failed: &mut self.failed })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = HEADER + self.net.mtu() as usize;
        capabilities
    }
}

/// A frame that came.
pub struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a frame to send.
pub struct Room<'a> {
    net: &'a mut dyn Net,
    failed: &'a mut Option<Error>,
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut write = Some(write);
        let mut result = None;
        let queued = self.net.queue().transmit(&mut |buffer| {
            let frame = buffer.get_mut(..len)?;
            result = Some(write.take()?(frame));
            Some(len.into())
        });
        if let Err(error) = queued {
            self.failed.get_or_insert(error);
        }
        match (result, write) {
            (Some(result), _) => result,
            // The ring was full: the frame is lost, as any frame may be.
            (None, Some(write)) => {
                log::debug!("a frame of {len} bytes found the ring full");
                write(&mut vec![0; len])
            }
            (None, None) => unreachable!("a writer that was called has a result"),
        }
    }
}

#[cfg(test)]
mod tests;
