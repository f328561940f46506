//! Whether the device may reach memory.

use super::{Backend, RegionIndex};
use crate::pci::{Command, register};
use crate::{Error, ErrorKind, Result};

/// Sets or clears the Bus Master Enable bit, and checks that it took.
pub(crate) fn set_bus_master(backend: &dyn Backend, on: bool) -> Result<()> {
    let at = register::COMMAND.into();
    let command = || -> Result<Command> {
        let mut bytes = [0; 2];
        backend.read(RegionIndex::CONFIG, at, &mut bytes)?;
        Ok(Command::from_bits(u16::from_le_bytes(bytes)))
    };
    let before = command()?;
    let wanted = if on { before.with(Command::BUS_MASTER) } else { before.without(Command::BUS_MASTER) };
    backend.write(RegionIndex::CONFIG, at, &wanted.bits().to_le_bytes())?;
    if command()?.contains(Command::BUS_MASTER) == on {
        return Ok(());
    }
    let what = if on { "enabling" } else { "disabling" };
    Err(Error::new(ErrorKind::Device, format!("{what} of bus mastering"))
        .on(backend.address())
        .why("the bit in the COMMAND register does not stay as written"))
}
