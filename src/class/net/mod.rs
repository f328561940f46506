//! Network interfaces: frames out, frames in, link, address, filters, statistics.
//!
//! A [`Net`] is the interface; a [`Queue`] is one pair of its rings, and one thread's at a time. Each way to wait, for
//! every driver, is in [`napi`].

mod filter;
mod frame;
mod link;
mod mac;
mod moderation;
pub mod napi;
#[cfg(test)]
mod napi_tests;
mod observer;
mod settings;
mod statistics;

use std::time::Duration;

pub use filter::Filter;
pub use frame::{Checksum, Frame, Incoming, Outgoing, ReceivedChecksum, SegmentProtocol, Segmentation};
pub use link::Link;
pub use mac::Mac;
pub use moderation::Moderation;
pub use observer::{NetObserver, NetReport};
pub use settings::{Offloads, Settings};
pub use statistics::{QueueCounters, Statistics};

use crate::Result;

/// The shortest frame that goes out, without its check sequence: shorter ones are padded with zeros.
pub const MIN_FRAME: usize = 60;
/// The longest frame of an [`MTU`], without its check sequence and without tags.
pub const MAX_FRAME: usize = HEADER + MTU as usize;
/// The longest payload of a frame, unless [`Settings::mtu`] asks for more.
pub const MTU: u32 = 1500;
/// A frame's header: two addresses and a type.
pub const HEADER: usize = 14;

/// An Ethernet interface.
///
/// Frames are Ethernet frames without the check sequence, which the device adds and removes.
pub trait Net: Send {
    /// The interface's own address.
    fn mac(&self) -> Mac;

    /// The longest payload of a frame, in bytes: frames are [`HEADER`] longer, and a VLAN tag within one 4 more.
    fn mtu(&self) -> u32;

    /// What the device does with frames, of what was asked for at its start.
    fn offloads(&self) -> Offloads;

    /// The link as the device last reported it.
    ///
    /// # Errors
    /// Where the device cannot be asked.
    fn link(&self) -> Result<Link>;

    /// The first pair of rings; the only one, unless [`Settings::queues`] asked for more.
    fn queue(&mut self) -> &mut dyn Queue;

    /// All pairs of rings. Each may go to a thread of its own. Frames come in by any of them, all frames of a flow by the
    /// same.
    fn queues(&mut self) -> Vec<&mut dyn Queue> {
        vec![self.queue()]
    }

    /// Says which frames for others come in too. At first none do: only the interface's own and broadcasts.
    ///
    /// # Errors
    /// `Precondition` where the device has no such filter; where the device fails.
    fn set_filter(&mut self, filter: &Filter) -> Result<()>;

    /// The device's own counters since it was started.
    ///
    /// # Errors
    /// Where the device fails.
    fn statistics(&mut self) -> Result<Statistics>;

    /// A way to look at it from outside, while each queue is a thread's; `None` of a driver that offers none.
    fn meters(&self) -> Option<NetObserver> {
        None
    }
}

/// A receive and a transmit ring. No method but [`Queue::wait`] blocks.
pub trait Queue: Send {
    /// Sends frames: `fill` is offered one device buffer after the other, of at least a whole frame with a tag, writes a
    /// frame into it and says what it is, or `None` to end. The doorbell rings once, for all of them. Gives the number
    /// of frames queued, which is smaller than what `fill` had to offer where the ring is full.
    ///
    /// # Errors
    /// Where the device fails; `InvalidArgument` where `fill` gives a length of 0 or beyond its buffer, or asks for what
    /// [`Net::offloads`] has not. Frames before that one are sent.
    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>) -> Result<usize>;

    /// Frames that were queued, and that the device has not yet said to have sent.
    ///
    /// # Errors
    /// Where the device fails.
    fn in_flight(&mut self) -> Result<usize>;

    /// Hands at most `at_most` received frames to `take`, in the order of their arrival, and gives their number. A frame is
    /// looked at where the device put it.
    ///
    /// # Errors
    /// Where the device fails.
    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize>;

    /// Waits until there is what `interest` names, or something else has happened, as a change of the link: in the way
    /// that [`Settings::wait`] says. False where `timeout` went by.
    ///
    /// # Errors
    /// Where the device fails.
    fn wait(&mut self, interest: Interest, timeout: Duration) -> Result<bool>;

    /// A way for other threads to wake this one: [`napi::Schedule::schedule`] ends [`Queue::wait`], or the next where
    /// nobody waits now.
    fn waker(&self) -> napi::Schedule;

    /// What was counted of these rings. Others read the same by [`Net::meters`], as it was after the last burst.
    fn counters(&self) -> QueueCounters;
}

/// What somebody waits for at a [`Queue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Frames to receive.
    Receive,
    /// Frames that have left.
    Transmit,
    /// Either.
    Both,
}

impl Interest {
    /// Whether frames to receive are waited for.
    pub fn receives(self) -> bool {
        self != Self::Transmit
    }

    /// Whether frames that leave are waited for.
    pub fn transmits(self) -> bool {
        self != Self::Receive
    }
}
