//! Trying a running graphics adapter. What it shows stays.

use dirql::class::display::Rectangle;
use dirql::selftest::Check;
use dirql::{Error, ErrorKind, Result};

use super::channel::Channel;
use super::command::{Command, Format};
use super::config::VIRTIO_GPU_F_EDID;
use super::sections::Sections;

/// Tries a register, the displays, their descriptions, and a resource from its making to its end.
pub(super) fn run<S: Sections>(channel: &Channel<S>) -> Vec<Check> {
    let transport = &channel.foundation.transport;
    let has_edid = transport.features().contains(VIRTIO_GPU_F_EDID);
    let status = transport.needs_reset().and_then(|needed| match needed {
        false => Ok("the device works".into()),
        true => Err(Error::new(ErrorKind::Device, "device status").why("the device needs a reset")),
    });
    // Who waits for a change still hears of it.
    let connectors = super::connectors::read(channel);
    let (connected, described) = connectors.as_ref().map_or((0, 0), |connectors| {
        let connected = connectors.iter().filter(|connector| connector.connected);
        (connected.clone().count(), connected.filter(|connector| connector.edid.is_some()).count())
    });
    let displays =
        connectors.map(|connectors| format!("scanouts: {}, with a monitor: {connected}", connectors.len()));
    let edid = if has_edid && connected > 0 {
        let all = (described == connected).then(|| format!("read: {described}"));
        let missing =
            || Error::new(ErrorKind::Device, "EDID").why(format!("{described} of {connected} can be read"));
        Check::of("EDID", all.ok_or_else(missing))
    } else {
        Check::absent("EDID", "not offered, or no monitor")
    };
    let resource = resource(channel).map(|()| "made, filled by a fenced transfer, and given back".into());
    vec![
        Check::of("device status", status),
        Check::of("displays", displays),
        edid,
        Check::of("resource", resource),
    ]
}

/// Makes a resource, has the device take it over, and gives it back.
fn resource<S: Sections>(channel: &Channel<S>) -> Result<()> {
    const SIDE: u32 = 64;
    let mut resource = channel.create((SIDE, SIDE), Format::B8g8r8x8)?;
    resource.backing.pixels().fill(0x00ff_00ff);
    let part = Rectangle::whole(SIDE, SIDE);
    let taken = channel.ask(Command::TransferToHost2d { resource: resource.id, part, offset: 0 });
    let released = channel.release(resource, true);
    taken.and(released.map(|()| super::command::Answer::NoData)).map(drop)
}
