//! The network device's own feature bits, and which of them a start needs.
//!
//! Source: VIRTIO 1.2, 5.1.3.

use dirql::class::net::Settings;

use crate::Features;

/// Completes checksums on the way out.
pub const CSUM: Features = Features(1 << 0);
/// May hand in frames whose checksum is not complete, and says which are good.
pub const GUEST_CSUM: Features = Features(1 << 1);
/// Says what its longest payload is.
pub const MTU_ADVICE: Features = Features(1 << 3);
/// Has an address.
pub const MAC: Features = Features(1 << 5);
/// May hand in long frames, of TCP over IPv4.
pub const GUEST_TSO4: Features = Features(1 << 7);
/// May hand in long frames, of TCP over IPv6.
pub const GUEST_TSO6: Features = Features(1 << 8);
/// Cuts frames of TCP over IPv4.
pub const HOST_TSO4: Features = Features(1 << 11);
/// Cuts frames of TCP over IPv6.
pub const HOST_TSO6: Features = Features(1 << 12);
/// Puts a long frame into several buffers.
pub const MRG_RXBUF: Features = Features(1 << 15);
/// Says whether the link is up.
pub const STATUS: Features = Features(1 << 16);
/// Has a control queue.
pub const CTRL_VQ: Features = Features(1 << 17);
/// Takes receive modes by it.
pub const CTRL_RX: Features = Features(1 << 18);
/// Takes VLANs by it.
pub const CTRL_VLAN: Features = Features(1 << 19);
/// Has several pairs of queues.
pub const MQ: Features = Features(1 << 22);
/// Says how fast the link is.
pub const SPEED_DUPLEX: Features = Features(1 << 63);

/// Cuts long frames.
pub const HOST_TSO: Features = HOST_TSO4.with(HOST_TSO6);
/// Hands in long frames.
pub const GUEST_TSO: Features = GUEST_TSO4.with(GUEST_TSO6);

/// The features to ask for, of those `offered`. Frames go into several buffers only where they are longer than one: a
/// device looks for so many more buffers for each frame that may be.
pub fn wanted(offered: Features, settings: &Settings, one_buffer: usize) -> Features {
    let mut wanted =
        MTU_ADVICE.with(MAC).with(STATUS).with(SPEED_DUPLEX).with(CTRL_VQ).with(CTRL_RX).with(CTRL_VLAN);
    if settings.queues > 1 {
        wanted = wanted.with(MQ);
    }
    if settings.offloads.checksum || settings.offloads.segmentation {
        wanted = wanted.with(CSUM).with(GUEST_CSUM);
    }
    if settings.offloads.segmentation {
        wanted = wanted.with(HOST_TSO).with(GUEST_TSO);
    }
    // What depends on another feature is not asked for without it (5.1.3.1).
    if !offered.contains(CTRL_VQ) {
        wanted = wanted.without(CTRL_RX).without(CTRL_VLAN).without(MQ);
    }
    if !offered.contains(GUEST_CSUM) {
        wanted = wanted.without(GUEST_TSO);
    }
    if offered.and(wanted.and(GUEST_TSO)).0 != 0 || settings.mtu as usize > one_buffer {
        wanted = wanted.with(MRG_RXBUF);
    }
    wanted
}
