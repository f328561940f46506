//! How much DMA memory a device has.

use serde::{Deserialize, Serialize};

/// The DMA memory of a device, as it is at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DmaUsage {
    /// Bytes that the device can reach.
    pub mapped_bytes: u64,
    /// Those of them that are in use.
    pub used_bytes: u64,
    /// Mappings.
    pub mappings: u32,
    /// How many more fit, of those that the IOMMU allowed when the device was opened.
    pub mappings_left: u32,
}
