//! What PCI itself says: addresses, configuration space, capabilities, names. Knows nothing of VFIO.

#![forbid(unsafe_code)]

mod address;
mod bits;
mod bridge;
mod capability;
mod capability_names;
mod config;
mod decode;
mod header;
mod names;
pub mod register;
mod typed;

pub use address::Address;
pub use bridge::Bridge;
pub use capability::{Capabilities, Capability, ExtendedCapabilities, ExtendedCapability, ListFault};
pub use config::{Bar, ClassCode, Command, ConfigSpace};
pub use decode::{Decoded, Field, FieldValue, Part};
pub use names::Names;
pub use typed::{Express, Msi, MsiX, PowerManagement};
