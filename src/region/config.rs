//! The configuration space of an opened function.

use std::sync::Arc;

use super::Value;
use crate::Result;
use crate::backend::{Backend, RegionIndex};
use crate::core::Core;
use crate::pci::{ConfigSpace, register};

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
        read(self.core.backend()?, offset)
    }

    /// Writes the register at `offset`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn write<T: Value>(&self, offset: u16, value: T) -> Result<()> {
        let backend = self.core.backend()?;
        value.with_bus(|bytes| backend.write(RegionIndex::CONFIG, offset.into(), bytes))
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
        let backend = self.core.backend()?;
        let len = backend.region(RegionIndex::CONFIG)?.len.min(4096) as usize;
        let mut bytes = vec![0; len];
        // By words: a long read would be several accesses anyhow.
        for (word, offset) in bytes.chunks_mut(4).zip((0..).step_by(4)) {
            backend.read(RegionIndex::CONFIG, offset, word)?;
        }
        ConfigSpace::new(bytes).map_err(|error| error.on(self.core.address()))
    }

    /// Sets or clears the Bus Master Enable bit, and checks that it took.
    ///
    /// # Errors
    /// `Device` where the bit does not stay as written; else as [`Config::read`].
    pub fn set_bus_master(&self, on: bool) -> Result<()> {
        self.core.set_bus_master(on)
    }
}

fn read<T: Value>(backend: &dyn Backend, offset: u16) -> Result<T> {
    let mut bytes = [0; 8];
    let bytes = &mut bytes[..size_of::<T>()];
    backend.read(RegionIndex::CONFIG, offset.into(), bytes)?;
    Ok(T::from_bus(bytes))
}
