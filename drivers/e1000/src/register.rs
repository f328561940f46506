//! The registers that the driver uses, under the datasheet's names, and their bits.
//!
//! Source: Intel, PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (8254x), chapter 13.
//! All are 32 bits wide. The 82574L has the same ones at the same places, but for EERD's layout.

use dirql::region::Register;

macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident = $offset:literal;)*) => {$(
        $(#[$doc])*
        pub const $name: Register<u32> = Register::new($offset, stringify!($name));
    )*};
}

registers! {
    /// Device Control.
    CTRL = 0x0000;
    /// Device Status.
    STATUS = 0x0008;
    /// EEPROM Read.
    EERD = 0x0014;
    /// MDI Control: the way to the PHY's registers.
    MDIC = 0x0020;
    /// Interrupt Cause Read: clears the causes and so lowers the line.
    ICR = 0x00c0;
    /// Interrupt Throttling: the least time between two interrupts, in units of 256 ns.
    ITR = 0x00c4;
    /// Interrupt Cause Set.
    ICS = 0x00c8;
    /// Interrupt Mask Set/Read.
    IMS = 0x00d0;
    /// Interrupt Mask Clear.
    IMC = 0x00d8;
    /// Receive Control.
    RCTL = 0x0100;
    /// Transmit Control.
    TCTL = 0x0400;
    /// Transmit Inter Packet Gap.
    TIPG = 0x0410;
    /// Receive Descriptor Base Address Low.
    RDBAL = 0x2800;
    /// Receive Descriptor Base Address High.
    RDBAH = 0x2804;
    /// Receive Descriptor Length, in bytes.
    RDLEN = 0x2808;
    /// Receive Descriptor Head.
    RDH = 0x2810;
    /// Receive Descriptor Tail.
    RDT = 0x2818;
    /// Receive Interrupt Delay Timer.
    RDTR = 0x2820;
    /// Transmit Descriptor Base Address Low.
    TDBAL = 0x3800;
    /// Transmit Descriptor Base Address High.
    TDBAH = 0x3804;
    /// Transmit Descriptor Length, in bytes.
    TDLEN = 0x3808;
    /// Transmit Descriptor Head.
    TDH = 0x3810;
    /// Transmit Descriptor Tail.
    TDT = 0x3818;
    /// CRC Error Count.
    CRCERRS = 0x4000;
    /// Alignment Error Count.
    ALGNERRC = 0x4004;
    /// Symbol Error Count.
    SYMERRS = 0x4008;
    /// RX Error Count.
    RXERRC = 0x400c;
    /// Missed Packets Count: no room in the chip's memory.
    MPC = 0x4010;
    /// Good Packets Received Count.
    GPRC = 0x4074;
    /// Good Packets Transmitted Count.
    GPTC = 0x4080;
    /// Good Octets Received Count, Low.
    GORCL = 0x4088;
    /// Good Octets Received Count, High; clears both.
    GORCH = 0x408c;
    /// Good Octets Transmitted Count, Low.
    GOTCL = 0x4090;
    /// Good Octets Transmitted Count, High; clears both.
    GOTCH = 0x4094;
    /// Receive Length Error Count.
    RLEC = 0x4040;
    /// Receive Checksum Control.
    RXCSUM = 0x5000;
    /// Multicast Table Array: [`MTA_ENTRIES`] registers, 4 bytes apart.
    MTA = 0x5200;
    /// Receive Address Low: [`RECEIVE_ADDRESSES`] registers, 8 bytes apart.
    RAL = 0x5400;
    /// Receive Address High: as [`RAL`].
    RAH = 0x5404;
}

/// Registers of [`MTA`].
pub const MTA_ENTRIES: u64 = 128;
/// Pairs of [`RAL`] and [`RAH`].
pub const RECEIVE_ADDRESSES: u64 = 16;

/// CTRL: Set Link Up.
pub const CTRL_SLU: u32 = 1 << 6;
/// CTRL: Device Reset; clears itself.
pub const CTRL_RST: u32 = 1 << 26;
/// CTRL: what must be off so that speed and duplex follow the PHY, frames keep their tags, and no pause frames go out:
/// LRST, ILOS, FRCSPD, FRCDPLX, RFCE, TFCE, VME, PHY_RST.
pub const CTRL_OFF: u32 = 1 << 3 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 27 | 1 << 28 | 1 << 30 | 1 << 31;

/// STATUS: Full Duplex.
pub const STATUS_FD: u32 = 1 << 0;
/// STATUS: Link Up.
pub const STATUS_LU: u32 = 1 << 1;
/// STATUS: where the two bits of the link speed begin: 10, 100, 1000, 1000 Mbit/s.
pub const STATUS_SPEED_SHIFT: u32 = 6;

/// EERD: Start Read.
pub const EERD_START: u32 = 1 << 0;
/// EERD: Read Done, on the 82540 (bit 1 on the 82574).
pub const EERD_DONE: u32 = 1 << 4;
/// EERD: where the word's address begins, on the 82540 (bit 2 on the 82574).
pub const EERD_ADDRESS_SHIFT: u32 = 8;
/// EERD: where the word begins.
pub const EERD_DATA_SHIFT: u32 = 16;

/// MDIC: where the PHY register's number begins.
pub const MDIC_REGISTER_SHIFT: u32 = 16;
/// MDIC: the internal PHY, which is number 1.
pub const MDIC_PHY: u32 = 1 << 21;
/// MDIC: write.
pub const MDIC_WRITE: u32 = 1 << 26;
/// MDIC: read.
pub const MDIC_READ: u32 = 2 << 26;
/// MDIC: Ready.
pub const MDIC_READY: u32 = 1 << 28;
/// MDIC: Error.
pub const MDIC_ERROR: u32 = 1 << 30;
/// The PHY's Control register.
pub const PHY_CONTROL: u32 = 0;
/// PHY Control: Power Down.
pub const PHY_CONTROL_POWER_DOWN: u32 = 1 << 11;

/// ICR, IMS, IMC, ICS: Transmit Descriptor Written Back.
pub const INT_TXDW: u32 = 1 << 0;
/// ICR, IMS, IMC, ICS: Link Status Change.
pub const INT_LSC: u32 = 1 << 2;
/// ICR, IMS, IMC, ICS: Receive Descriptor Minimum Threshold Reached.
pub const INT_RXDMT0: u32 = 1 << 4;
/// ICR, IMS, IMC, ICS: Receiver Overrun.
pub const INT_RXO: u32 = 1 << 6;
/// ICR, IMS, IMC, ICS: Receiver Timer Interrupt: frames came.
pub const INT_RXT0: u32 = 1 << 7;
/// ICR, IMS, IMC, ICS: MDI/O Access Complete; raised only for an access that asks for it, which the driver's never do.
pub const INT_MDAC: u32 = 1 << 9;

/// RCTL: Receiver Enable.
pub const RCTL_EN: u32 = 1 << 1;
/// RCTL: Unicast Promiscuous Enabled.
pub const RCTL_UPE: u32 = 1 << 3;
/// RCTL: Multicast Promiscuous Enabled.
pub const RCTL_MPE: u32 = 1 << 4;
/// RCTL: Broadcast Accept Mode.
pub const RCTL_BAM: u32 = 1 << 15;
/// RCTL: Strip Ethernet CRC, so that lengths are without it.
pub const RCTL_SECRC: u32 = 1 << 26;

/// TCTL: Transmit Enable.
pub const TCTL_EN: u32 = 1 << 1;
/// TCTL: Pad Short Packets.
pub const TCTL_PSP: u32 = 1 << 3;
/// TCTL: Collision Threshold of 15 and Collision Distance of 64, as the manual advises (table 13-76).
pub const TCTL_COLLISIONS: u32 = 0x0f << 4 | 0x40 << 12;

/// TIPG: IPGT 8, IPGR1 8, IPGR2 6: IEEE 802.3's gaps on copper.
pub const TIPG_COPPER: u32 = 8 | 8 << 10 | 6 << 20;

/// RAH: Address Valid.
pub const RAH_AV: u32 = 1 << 31;
