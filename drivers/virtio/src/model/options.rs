//! What devices differ in, and what they do wrong.

/// What a device offers, and how it is built; the last few are what can be wrong with it. What only a network device can
/// have does not matter to another.
#[derive(Debug, Clone)]
pub struct Options {
    /// RING_PACKED.
    pub packed: bool,
    /// EVENT_IDX.
    pub event_idx: bool,
    /// INDIRECT_DESC.
    pub indirect_desc: bool,
    /// RING_RESET.
    pub ring_reset: bool,
    /// MRG_RXBUF.
    pub mrg_rxbuf: bool,
    /// CSUM, GUEST_CSUM, and TSO both ways: as with a backend that knows headers.
    pub offloads: bool,
    /// CTRL_VQ, CTRL_RX and CTRL_VLAN.
    pub ctrl_vq: bool,
    /// MQ, with so many pairs.
    pub pairs: Option<u16>,
    /// MTU.
    pub mtu: Option<u16>,
    /// MAC.
    pub mac: bool,
    /// Entries of each receive queue, and of each transmit queue.
    pub queue_sizes: (u16, u16),
    /// A page for each doorbell.
    pub page_per_vq: bool,
    /// Doorbells by an I/O BAR, before the others.
    pub pio_notify: bool,
    /// MSI-X vectors; with none, there is no MSI-X.
    pub vectors: u16,
    /// Of these, vectors from here on are refused.
    pub vectors_taken: u16,
    /// Has no capabilities of version 1.
    pub legacy: bool,
    /// VERSION_1.
    pub version_1: bool,
    /// ACCESS_PLATFORM.
    pub access_platform: bool,
    /// Does not take the features that it offers.
    pub fickle: bool,
    /// Does not reset.
    pub deaf: bool,
    /// How often the configuration changes while it is read.
    pub restless: u32,
    /// The common configuration's place, away from where it should be.
    pub common_offset: u64,
    /// Bytes of the device configuration.
    pub config_len: u64,
}

impl Default for Options {
    /// What QEMU's has unless told otherwise, behind an IOMMU, on a backend that knows no headers.
    fn default() -> Self {
        Self {
            packed: false,
            event_idx: true,
            indirect_desc: true,
            ring_reset: true,
            mrg_rxbuf: true,
            offloads: false,
            ctrl_vq: true,
            pairs: None,
            mtu: None,
            mac: true,
            queue_sizes: (256, 256),
            page_per_vq: false,
            pio_notify: false,
            vectors: 4,
            vectors_taken: u16::MAX,
            legacy: false,
            version_1: true,
            access_platform: true,
            fickle: false,
            deaf: false,
            restless: 0,
            common_offset: 0,
            config_len: 0x1000,
        }
    }
}
