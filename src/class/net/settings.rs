//! What a network interface is started with.

use super::MTU;
use crate::interrupt::Wait;

/// What a network interface is started with. A device that cannot do it does not start, and says what it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How [`super::Queue::wait`] waits.
    pub wait: Wait,
    /// Pairs of rings.
    pub queues: u16,
    /// The longest payload of a frame, in bytes.
    pub mtu: u32,
    /// What the device shall do with frames.
    pub offloads: Offloads,
}

impl Default for Settings {
    /// One pair of rings, [`MTU`], frames as they are, and no processor time while nothing happens.
    fn default() -> Self {
        Self { wait: Wait::Block, queues: 1, mtu: MTU, offloads: Offloads::default() }
    }
}

/// What a device does with frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Offloads {
    /// Completes checksums on the way out, and says of frames that come in whether theirs are good.
    pub checksum: bool,
    /// Cuts long frames into segments on the way out; a device that joins segments may hand in long frames.
    pub segmentation: bool,
    /// Puts VLAN tags in and takes them out.
    pub vlan: bool,
}
