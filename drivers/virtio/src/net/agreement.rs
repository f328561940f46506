//! What comes of the features that were agreed on.

use dirql::class::net::{MTU, Offloads, Settings};
use dirql::{Error, ErrorKind, Result};

use super::config::DeviceFacts;
use super::features::{CSUM, HOST_TSO};
use crate::Features;

/// What was agreed on, in the class's words, with the payload that goes.
///
/// # Errors
/// `Precondition` where the device does not do what `settings` ask for.
pub fn agreed(features: Features, facts: &DeviceFacts, settings: &Settings) -> Result<(Offloads, u32)> {
    let refuse = |why: String| Err(Error::new(ErrorKind::Precondition, "start").why(why));
    let Offloads { checksum, segmentation, vlan } = settings.offloads;
    if vlan {
        return refuse("a virtio device neither puts VLAN tags in nor takes them out".into());
    }
    if (checksum || segmentation) && !features.contains(CSUM) {
        return refuse("the device does not complete checksums: its backend has no headers for that".into());
    }
    if segmentation && !features.contains(HOST_TSO) {
        return refuse("the device does not cut frames into segments".into());
    }
    if settings.queues == 0 || settings.queues > facts.pairs {
        return refuse(format!("the device has pairs of queues: {}, not {}", facts.pairs, settings.queues));
    }
    let mtu = match settings.mtu {
        // Nobody asked for this very one.
        MTU => MTU.min(facts.mtu),
        mtu => mtu,
    };
    if !(68..=facts.mtu).contains(&mtu) {
        return refuse(format!("an MTU of {mtu} is not between 68 and the device's {}", facts.mtu));
    }
    Ok((Offloads { checksum: checksum || segmentation, segmentation, vlan }, mtu))
}
