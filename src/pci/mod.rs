//! What PCI itself says: addresses, configuration space, capabilities, names. Knows nothing of VFIO.

mod address;

pub use address::Address;
