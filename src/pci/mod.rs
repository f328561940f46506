//! What PCI itself says: addresses, configuration space, capabilities, names. Knows nothing of VFIO.

#![forbid(unsafe_code)]

mod address;
mod capability;
mod config;
mod names;
pub mod register;

pub use address::Address;
pub use capability::{
    Capabilities, Capability, Express, ExtendedCapabilities, ExtendedCapability, Msi, MsiX, PowerManagement,
};
pub use config::{Bar, ClassCode, Command, ConfigSpace};
pub use names::Names;
