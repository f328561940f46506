//! The monitor: its EDID, and the modes that it and the device can both show.

use dirql::Result;
use dirql::class::display::{Connector, Edid, Mode};

use crate::adapter::Registers;
use crate::limits::Limits;
use crate::register::{EDID, EDID_BLOCK};

/// How an EDID begins.
const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];

/// Sizes that a monitor without an EDID is tried with, the preferred one first.
const USUAL: [(u32, u32); 8] =
    [(1024, 768), (640, 480), (800, 600), (1280, 720), (1280, 800), (1280, 1024), (1600, 900), (1920, 1080)];

/// The connector, which has a monitor always: nobody tells of one that is not there.
///
/// # Errors
/// Where the device is gone.
pub fn connector(registers: &Registers, limits: &Limits) -> Result<Connector> {
    let edid = edid(registers)?;
    let modes = match &edid {
        Some(edid) => edid.modes.clone(),
        None => USUAL.map(|(width, height)| Mode { width, height, refresh: 0 }).to_vec(),
    };
    let modes = modes.into_iter().filter(|mode| limits.allows(mode.width, mode.height)).collect();
    Ok(Connector { number: 0, connected: true, modes, edid })
}

/// What the monitor says of itself; `None` where it says nothing, or nothing that can be understood.
///
/// # Errors
/// Where the device is gone.
pub fn edid(registers: &Registers) -> Result<Option<Edid>> {
    let bytes = (0..EDID_BLOCK).map(|byte| registers.read(EDID.at(byte))).collect::<Result<Vec<_>>>()?;
    if !bytes.starts_with(&HEADER) {
        return Ok(None);
    }
    let edid = Edid::parse(&bytes).inspect_err(|error| log::warn!("bochs: {error}"));
    Ok(edid.ok())
}
