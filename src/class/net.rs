//! Network interfaces: frames out, frames in, link, address, statistics.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Result;

/// The shortest frame that goes out, without its check sequence: shorter ones are padded with zeros.
pub const MIN_FRAME: usize = 60;
/// The longest frame without its check sequence and without tags.
pub const MAX_FRAME: usize = 1514;

/// An Ethernet interface.
///
/// Frames are Ethernet frames without the check sequence, which the device adds and removes. No method but
/// [`Net::wait`] blocks.
pub trait Net: Send {
    /// The interface's own address.
    fn mac(&self) -> Mac;

    /// The link as the device last reported it.
    ///
    /// # Errors
    /// Where the device cannot be asked.
    fn link(&self) -> Result<Link>;

    /// Sends frames: `fill` is offered one device buffer after the other, of at least [`MAX_FRAME`] bytes, writes a
    /// frame into it and gives its length, or `None` to end. The doorbell rings once, for all of them. Gives the number
    /// of frames queued, which is smaller than what `fill` had to offer where the ring is full.
    ///
    /// # Errors
    /// Where the device fails, or `fill` gives a length of 0 or beyond its buffer; frames before that one are sent.
    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<usize>) -> Result<usize>;

    /// Frames that were queued, and that the device has not yet said to have sent.
    ///
    /// # Errors
    /// Where the device fails.
    fn in_flight(&mut self) -> Result<usize>;

    /// Hands at most `at_most` received frames to `take`, in the order of their arrival, and gives their number.
    ///
    /// # Errors
    /// Where the device fails.
    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&[u8])) -> Result<usize>;

    /// Waits until the device has raised an interrupt since the last call: frames came, were sent, or the link
    /// changed. False where `timeout` went by.
    ///
    /// # Errors
    /// Where the device fails.
    fn wait(&mut self, timeout: Duration) -> Result<bool>;

    /// Receives what is for others too, or no longer.
    ///
    /// # Errors
    /// Where the device fails.
    fn set_promiscuous(&mut self, on: bool) -> Result<()>;

    /// The device's own counters since it was started.
    ///
    /// # Errors
    /// Where the device fails.
    fn statistics(&mut self) -> Result<Statistics>;
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Link {
    /// There is one.
    pub up: bool,
    /// In Mbit/s; 0 while it is down.
    pub speed: u32,
    /// Both ways at once.
    pub full_duplex: bool,
    /// How often it went up or down since the interface was started.
    pub changes: u64,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.up {
            return f.write_str("down");
        }
        write!(f, "up, {} Mbit/s, {} duplex", self.speed, if self.full_duplex { "full" } else { "half" })
    }
}

/// Counters of the device. Frames that a full ring dropped are in `receive_missed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Good frames received.
    pub receive_frames: u64,
    /// Their bytes, with check sequences.
    pub receive_bytes: u64,
    /// Frames received in error.
    pub receive_errors: u64,
    /// Frames lost because no buffer was free.
    pub receive_missed: u64,
    /// Frames sent.
    pub transmit_frames: u64,
    /// Their bytes, with check sequences.
    pub transmit_bytes: u64,
}
