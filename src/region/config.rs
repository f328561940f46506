//! The configuration space of an opened function.

use std::sync::Arc;

use super::Value;
use crate::backend::{Backend, RegionIndex};
use crate::device::Core;
use crate::pci::{Command, ConfigSpace, register};
use crate::{Error, ErrorKind, Result};

/// The configuration space of an opened function, register by register. VFIO decides what may be written.
///
/// Source: PCI Local Bus Specification 3.0, chapter 6.
#[derive(Debug, Clone)]
pub struct Config {
    core: Arc<Core>,
}

impl Config {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Reads the register at `offset`.
    ///
    /// # Errors
    /// `InvalidArgument` beyond the end, or what the kernel says.
    pub fn read<T: Value>(&self, offset: u16) -> Result<T> {
        read(self.core.backend(), offset)
    }

    /// Writes the register at `offset`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn write<T: Value>(&self, offset: u16, value: T) -> Result<()> {
        value.with_bus(|bytes| self.core.backend().write(RegionIndex::CONFIG, offset.into(), bytes))
    }

    /// The vendor and device ids.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn ids(&self) -> Result<(u16, u16)> {
        Ok((self.read(register::VENDOR_ID)?, self.read(register::DEVICE_ID)?))
    }

    /// The whole space as it is now, with its capabilities.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn snapshot(&self) -> Result<ConfigSpace> {
        let len = self.core.backend().region(RegionIndex::CONFIG)?.len.min(4096) as usize;
        let mut bytes = vec![0; len];
        // By words: a long read would be several accesses anyhow.
        for (word, offset) in bytes.chunks_mut(4).zip((0..).step_by(4)) {
            self.core.backend().read(RegionIndex::CONFIG, offset, word)?;
        }
        ConfigSpace::new(bytes).map_err(|error| error.on(self.core.address()))
    }

    /// Sets or clears the Bus Master Enable bit, and checks that it took.
    ///
    /// # Errors
    /// `Device` where the bit does not stay as written; else as [`Config::read`].
    pub fn set_bus_master(&self, on: bool) -> Result<()> {
        set_bus_master(self.core.backend(), on)
    }

    /// For teardown, when only the backend is left.
    pub(crate) fn stop_bus_master(backend: &dyn Backend) -> Result<()> {
        set_bus_master(backend, false)
    }
}

fn read<T: Value>(backend: &dyn Backend, offset: u16) -> Result<T> {
    let mut bytes = [0; 8];
    let bytes = &mut bytes[..size_of::<T>()];
    backend.read(RegionIndex::CONFIG, offset.into(), bytes)?;
    Ok(T::from_bus(bytes))
}

fn set_bus_master(backend: &dyn Backend, on: bool) -> Result<()> {
    let command = || read(backend, register::COMMAND).map(Command::from_bits);
    let before = command()?;
    let wanted = if on { before.with(Command::BUS_MASTER) } else { before.without(Command::BUS_MASTER) };
    wanted.bits().with_bus(|bytes| backend.write(RegionIndex::CONFIG, register::COMMAND.into(), bytes))?;
    if command()?.contains(Command::BUS_MASTER) == on {
        return Ok(());
    }
    let what = if on { "enabling" } else { "disabling" };
    Err(Error::new(ErrorKind::Device, format!("{what} of bus mastering"))
        .on(backend.address())
        .why("the bit in the COMMAND register does not stay as written"))
}
