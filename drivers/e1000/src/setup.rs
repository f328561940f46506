//! What a chip is told once, before it is set going.

use dirql::Result;
use dirql::class::net::Offloads;
use dirql::region::Bar;

use crate::chip::Chip;
use crate::link;
use crate::register::{
    CTRL_VME, IMS, INT_LSC, MRQC, MRQC_FIELDS, MRQC_RSS, QUEUE, RADV, RCTL_BAM, RCTL_EN, RCTL_LPE,
    RCTL_SECRC, RDTR, RETA, RETA_ENTRIES, RETA_SECOND, RFCTL, RFCTL_EXSTEN, RFCTL_OFF, RSRPD, RSSRK,
    RSSRK_ENTRIES, RXCSUM, RXCSUM_IPOFLD, RXCSUM_PCSD, RXCSUM_TUOFLD, TCTL, TCTL_COLLISIONS, TCTL_EN,
    TCTL_KEPT, TCTL_PSP, TIPG, TIPG_COPPER, TXDCTL, TXDCTL_REQUIRED, VET, VET_8021Q,
};
use crate::wiring::Wiring;

/// The longest frame without a check sequence that a chip takes in unless it is told to take longer ones.
const SHORT_FRAME: usize = 1518;

/// The key of the hash that spreads flows over queues: the one that the specification of RSS verifies itself with.
const KEY: [u8; 4 * RSSRK_ENTRIES as usize] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0xb4, 0x30, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// What is asked of a chip.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub chip: &'static Chip,
    pub queues: u16,
    /// The longest frame, with a tag.
    pub frame: usize,
    pub offloads: Offloads,
}

impl Setup {
    /// What RCTL is told beside the filters: buffers of 2048 bytes, lengths without the check sequence; what is for all.
    pub fn receive_control(&self) -> u32 {
        let long = if self.frame > SHORT_FRAME { RCTL_LPE } else { 0 };
        RCTL_EN | RCTL_BAM | RCTL_SECRC | long
    }

    /// Tells the chip all but its filters, which set it receiving; bus mastering is on, and the rings are programmed.
    ///
    /// # Errors
    /// Where a register cannot be accessed; `Device` where the PHY does not answer.
    pub fn apply(&self, bar: &Bar, wiring: &Wiring) -> Result<()> {
        bar.write(RDTR, 0)?;
        bar.write(RADV, 0)?;
        bar.write(TIPG, TIPG_COPPER)?;
        bar.write(VET, VET_8021Q)?;
        bar.write(RXCSUM, self.receive_checksum())?;
        if self.chip.is_express {
            self.apply_express(bar)?;
        }
        wiring.program(bar)?;
        link::bring_up(bar, if self.offloads.vlan { CTRL_VME } else { 0 })?;
        bar.write(IMS, INT_LSC | wiring.standing())?;
        let kept = bar.read(TCTL)? & TCTL_KEPT;
        bar.write(TCTL, kept | TCTL_EN | TCTL_PSP | TCTL_COLLISIONS)
    }

    fn receive_checksum(&self) -> u32 {
        let checksum = if self.offloads.checksum { RXCSUM_IPOFLD | RXCSUM_TUOFLD } else { 0 };
        checksum | if self.queues > 1 { RXCSUM_PCSD } else { 0 }
    }

    fn apply_express(&self, bar: &Bar) -> Result<()> {
        bar.write(RSRPD, 0)?;
        bar.write(RFCTL, RFCTL_EXSTEN | RFCTL_OFF)?;
        for queue in 0..u64::from(self.queues) {
            let control = TXDCTL.at(queue * QUEUE);
            bar.write(control, bar.read(control)? | TXDCTL_REQUIRED)?;
        }
        for (index, word) in (0..).zip(KEY.as_chunks().0) {
            bar.write(RSSRK.at(4 * index), u32::from_le_bytes(*word))?;
        }
        for index in 0..RETA_ENTRIES {
            bar.write(RETA.at(4 * index), u32::from_le_bytes([0, RETA_SECOND, 0, RETA_SECOND]))?;
        }
        bar.write(MRQC, if self.queues > 1 { MRQC_RSS | MRQC_FIELDS } else { 0 })
    }
}
