//! Which frames come in.

use super::Mac;

/// What comes in besides frames for the interface's own address and broadcasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Everything.
    pub promiscuous: bool,
    /// Everything for any group.
    pub all_multicast: bool,
    /// What is for these addresses, of stations or groups. A device whose table is too short lets more in.
    pub macs: Vec<Mac>,
    /// Of what has a VLAN tag, that of these VLANs only; `None` is all.
    pub vlans: Option<Vec<u16>>,
}

impl Filter {
    /// Everything.
    pub fn promiscuous() -> Self {
        Self { promiscuous: true, ..Self::default() }
    }
}
