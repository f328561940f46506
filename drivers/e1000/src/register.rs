//! The registers that the driver uses, under the datasheet's names, and their bits.
//!
//! Source: Intel, PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (8254x), chapter 13; 82574
//! GbE Controller Family Datasheet, chapter 10. All are 32 bits wide. The 82574L has what the 82540EM has at the same
//! places, but for EERD's layout; what only it has is marked.

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
    /// Extended Device Control.
    CTRL_EXT = 0x0018;
    /// MDI Control: the way to the PHY's registers.
    MDIC = 0x0020;
    /// VLAN Ether Type.
    VET = 0x0038;
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
    /// Extended Interrupt Auto Clear: causes that the message clears. 82574L.
    EIAC = 0x00dc;
    /// Interrupt Acknowledge Auto Mask: causes that an interrupt, or looking at ICR, masks. 82574L.
    IAM = 0x00e0;
    /// Interrupt Vector Allocation: which cause goes to which vector. 82574L.
    IVAR = 0x00e4;
    /// Extended Interrupt Throttle: as [`ITR`], one a vector, 4 bytes apart. 82574L.
    EITR = 0x00e8;
    /// Receive Control.
    RCTL = 0x0100;
    /// Transmit Control.
    TCTL = 0x0400;
    /// Transmit Inter Packet Gap.
    TIPG = 0x0410;
    /// Receive Descriptor Base Address Low; the second queue's is [`QUEUE`] bytes further on, as are its other ones.
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
    /// Receive Interrupt Absolute Delay Timer.
    RADV = 0x282c;
    /// Receive Small Packet Detect: the longest frame that raises a cause of its own.
    RSRPD = 0x2c00;
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
    /// Transmit Descriptor Control.
    TXDCTL = 0x3828;
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
    /// Total Octets Received, Low.
    TORL = 0x40c0;
    /// Total Octets Received, High; clears both.
    TORH = 0x40c4;
    /// Total Octets Transmitted, Low.
    TOTL = 0x40c8;
    /// Total Octets Transmitted, High; clears both.
    TOTH = 0x40cc;
    /// Total Packets Received.
    TPR = 0x40d0;
    /// Total Packets Transmitted.
    TPT = 0x40d4;
    /// Receive Length Error Count.
    RLEC = 0x4040;
    /// Receive Checksum Control.
    RXCSUM = 0x5000;
    /// Receive Filter Control. 82574L.
    RFCTL = 0x5008;
    /// Multicast Table Array: [`MTA_ENTRIES`] registers, 4 bytes apart.
    MTA = 0x5200;
    /// Receive Address Low: [`RECEIVE_ADDRESSES`] registers, 8 bytes apart.
    RAL = 0x5400;
    /// Receive Address High: as [`RAL`].
    RAH = 0x5404;
    /// VLAN Filter Table Array: a bit a VLAN, [`VFTA_ENTRIES`] registers, 4 bytes apart.
    VFTA = 0x5600;
    /// Multiple Receive Queues Command. 82574L.
    MRQC = 0x5818;
    /// Redirection Table: [`RETA_ENTRIES`] registers of four entries each, 4 bytes apart. 82574L.
    RETA = 0x5c00;
    /// RSS Random Key: [`RSSRK_ENTRIES`] registers, 4 bytes apart. 82574L.
    RSSRK = 0x5c80;
}

/// Registers of [`MTA`].
pub const MTA_ENTRIES: u64 = 128;
/// Pairs of [`RAL`] and [`RAH`].
pub const RECEIVE_ADDRESSES: u64 = 16;
/// Registers of [`VFTA`].
pub const VFTA_ENTRIES: u64 = 128;
/// Registers of [`RETA`].
pub const RETA_ENTRIES: u64 = 32;
/// Registers of [`RSSRK`].
pub const RSSRK_ENTRIES: u64 = 10;
/// Bytes from a ring's registers to those of the next queue's.
pub const QUEUE: u64 = 0x100;

/// CTRL: Set Link Up.
pub const CTRL_SLU: u32 = 1 << 6;
/// CTRL: Device Reset; clears itself.
pub const CTRL_RST: u32 = 1 << 26;
/// CTRL: what must be off so that the chip masters the bus, speed and duplex follow the PHY, frames keep their tags, and no
/// pause frames go out: GIO master disable, LRST, ILOS, FRCSPD, FRCDPLX, RFCE, TFCE, VME, PHY_RST.
pub const CTRL_OFF: u32 =
    1 << 2 | 1 << 3 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 27 | 1 << 28 | CTRL_VME | 1 << 31;
/// CTRL: VLAN Mode Enable: tags are put in and taken out.
pub const CTRL_VME: u32 = 1 << 30;

/// CTRL_EXT: an MSI-X message masks what IAM says. 82574L.
pub const CTRL_EXT_EIAME: u32 = 1 << 24;
/// CTRL_EXT: looking at ICR clears it, and masks what IAM says. 82574L.
pub const CTRL_EXT_IAME: u32 = 1 << 27;

/// VET: the type of a frame with a tag, as 802.1Q has it.
pub const VET_8021Q: u32 = 0x8100;

/// STATUS: Full Duplex.
pub const STATUS_FD: u32 = 1 << 0;
/// STATUS: Link Up.
pub const STATUS_LU: u32 = 1 << 1;
/// STATUS: where the two bits of the link speed begin: 10, 100, 1000, 1000 Mbit/s.
pub const STATUS_SPEED_SHIFT: u32 = 6;

/// EERD: Start Read.
pub const EERD_START: u32 = 1 << 0;
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
/// ICR, IMS, IMC: frames came by the first queue; that of the second is the next bit. 82574L with MSI-X, as the next two.
pub const INT_RXQ0: u32 = 1 << 20;
/// ICR, IMS, IMC: frames of the first queue have left; that of the second is the next bit.
pub const INT_TXQ0: u32 = 1 << 22;
/// ICR, IMS, IMC: any cause that is no queue's.
pub const INT_OTHER: u32 = 1 << 24;

/// IVAR: an entry is valid.
pub const IVAR_VALID: u32 = 1 << 3;
/// IVAR: bits of an entry: of the first and the second receive queue, of both transmit queues, and of all else.
pub const IVAR_BITS: u32 = 4;

/// RCTL: Receiver Enable.
pub const RCTL_EN: u32 = 1 << 1;
/// RCTL: Unicast Promiscuous Enabled.
pub const RCTL_UPE: u32 = 1 << 3;
/// RCTL: Multicast Promiscuous Enabled.
pub const RCTL_MPE: u32 = 1 << 4;
/// RCTL: Long Packet Enable.
pub const RCTL_LPE: u32 = 1 << 5;
/// RCTL: Broadcast Accept Mode.
pub const RCTL_BAM: u32 = 1 << 15;
/// RCTL: VLAN Filter Enable.
pub const RCTL_VFE: u32 = 1 << 18;
/// RCTL: Strip Ethernet CRC, so that lengths are without it.
pub const RCTL_SECRC: u32 = 1 << 26;

/// TCTL: Transmit Enable.
pub const TCTL_EN: u32 = 1 << 1;
/// TCTL: Pad Short Packets.
pub const TCTL_PSP: u32 = 1 << 3;
/// TCTL: Collision Threshold of 15 and Collision Distance of 64, as the manual advises (table 13-76).
pub const TCTL_COLLISIONS: u32 = 0x0f << 4 | 0x40 << 12;
/// TCTL: how the 82574L reads memory, which stays as it came up.
pub const TCTL_KEPT: u32 = 0x1f << 26;

/// TXDCTL: thresholds count descriptors, and bit 22, which the datasheet wants set.
pub const TXDCTL_REQUIRED: u32 = 1 << 24 | 1 << 22;

/// RXCSUM: IP Checksum Off-load Enable.
pub const RXCSUM_IPOFLD: u32 = 1 << 8;
/// RXCSUM: TCP/UDP Checksum Off-load Enable.
pub const RXCSUM_TUOFLD: u32 = 1 << 9;
/// RXCSUM: Packet Checksum Disable: the descriptor has the RSS hash instead. 82574L.
pub const RXCSUM_PCSD: u32 = 1 << 13;

/// RFCTL: Extended Status Enable: extended receive descriptors.
pub const RFCTL_EXSTEN: u32 = 1 << 15;
/// RFCTL: no cause for a TCP acknowledgement; no filters for NFS; no looking into IPv6 extension headers, which can hang the
/// receiver where they are malformed.
pub const RFCTL_OFF: u32 = 1 << 6 | 1 << 7 | 1 << 12 | 1 << 16 | 1 << 17;

/// MRQC: receive queues by RSS.
pub const MRQC_RSS: u32 = 1;
/// MRQC: hashed are TCP over IPv4, IPv4, TCP over IPv6, and IPv6.
pub const MRQC_FIELDS: u32 = 1 << 16 | 1 << 17 | 1 << 18 | 1 << 20;
/// RETA: an entry's bit that says the second queue, in each byte.
pub const RETA_SECOND: u8 = 1 << 7;

/// TIPG: IPGT 8, IPGR1 8, IPGR2 6: IEEE 802.3's gaps on copper.
pub const TIPG_COPPER: u32 = 8 | 8 << 10 | 6 << 20;

/// RAH: Address Valid.
pub const RAH_AV: u32 = 1 << 31;
