//! What graphics adapters differ in, and what they do wrong.

/// What a graphics adapter offers, and how it is built.
#[derive(Debug, Clone)]
pub struct Options {
    /// The transport's.
    pub transport: crate::model::Options,
    /// How many scanouts there are.
    pub scanouts: u32,
    /// The first one's size; the others have no monitor.
    pub size: (u32, u32),
    /// EDID.
    pub edid: bool,
    /// How many bytes of pixels the host has.
    pub host_memory: usize,
}

impl Default for Options {
    /// What QEMU's has unless told otherwise, behind an IOMMU.
    fn default() -> Self {
        let transport =
            crate::model::Options { queue_sizes: (64, 16), vectors: 3, config_len: 16, ..Default::default() };
        Self { transport, scanouts: 1, size: (1280, 800), edid: true, host_memory: 256 << 20 }
    }
}

/// What the device does wrong with the next command of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It does it, and answers this type.
    Type(u32),
    /// It does it, and answers another fence's id.
    Fence,
    /// It does it, and answers without a fence.
    NoFence,
    /// It does it, and answers fewer bytes than a header has.
    Short,
    /// It does not do it, and answers this type.
    Refusal(u32),
    /// It does it, and does not answer.
    Silence,
}
