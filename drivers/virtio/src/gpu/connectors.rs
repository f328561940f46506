//! Which displays there are, and what they can show.

use dirql::class::display::{Connector, Edid, Mode};
use dirql::{Error, ErrorKind, Result};

use super::channel::Channel;
use super::command::{Answer, Command, Shown};
use super::config::VIRTIO_GPU_F_EDID;
use super::resource::bytes;
use super::sections::Sections;

/// Asks the device.
pub(super) fn read<S: Sections>(channel: &Channel<S>) -> Result<Vec<Connector>> {
    let Answer::DisplayInfo(shown) = channel.ask(Command::GetDisplayInfo)? else {
        return Err(Error::new(ErrorKind::Device, "reading of the displays").on(channel.address()));
    };
    let connector = |(number, shown): (u32, &Shown)| {
        // Without a monitor there is nobody who describes himself.
        let edid = if shown.enabled { edid(channel, number)? } else { None };
        let modes = if shown.enabled { modes(shown.size, edid.as_ref()) } else { Vec::new() };
        Ok(Connector { number, connected: shown.enabled, modes, edid })
    };
    (0..channel.foundation.scanouts).zip(shown.iter()).map(connector).collect()
}

/// What a monitor says of itself, where it says anything that can be read.
fn edid<S: Sections>(channel: &Channel<S>, scanout: u32) -> Result<Option<Edid>> {
    if !channel.foundation.transport.features().contains(VIRTIO_GPU_F_EDID) {
        return Ok(None);
    }
    let read = channel.ask(Command::GetEdid { scanout }).and_then(|answer| match answer {
        Answer::Edid(bytes) => Edid::parse(&bytes),
        _ => Err(Error::new(ErrorKind::Device, "reading of the EDID")),
    });
    match read {
        Ok(edid) => Ok(Some(edid)),
        // A device that has failed altogether says so.
        Err(error) => channel.foundation.signals.check().map(|()| {
            log::warn!("virtio-gpu: scanout {scanout}: {error}");
            None
        }),
    }
}

/// Every size once: first the one that the device wants, then the monitor's.
fn modes((width, height): (u32, u32), edid: Option<&Edid>) -> Vec<Mode> {
    let described = edid.map_or(&[][..], |edid| &edid.modes);
    let same = |mode: &Mode, other: &Mode| (mode.width, mode.height) == (other.width, other.height);
    let mut preferred = Mode { width, height, refresh: 0 };
    if let Some(mode) = described.iter().find(|mode| same(mode, &preferred)) {
        preferred.refresh = mode.refresh;
    }
    let mut modes: Vec<Mode> = Vec::new();
    for mode in std::iter::once(&preferred).chain(described) {
        if bytes(mode.width, mode.height).is_some() && !modes.iter().any(|other| same(mode, other)) {
            modes.push(*mode);
        }
    }
    modes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_there_once_and_the_wanted_one_first() {
        let mode = |width, height, refresh| Mode { width, height, refresh };
        let edid = Edid {
            manufacturer: "RHT".into(),
            product: 0,
            serial: 0,
            name: None,
            size: (0, 0),
            modes: vec![
                mode(1024, 768, 75_000),
                mode(640, 480, 60_000),
                mode(640, 480, 75_000),
                mode(1024, 768, 60_000),
                mode(16385, 10, 60_000),
            ],
        };
        assert_eq!(modes((640, 480), Some(&edid)), [mode(640, 480, 60_000), mode(1024, 768, 75_000)]);
        assert_eq!(modes((641, 480), Some(&edid))[0], mode(641, 480, 0));
        assert_eq!(modes((0, 480), None), []);
    }
}
