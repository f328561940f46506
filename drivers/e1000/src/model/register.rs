//! The model's own table of registers: offsets in BAR 0, and what an access does.
//!
//! It is not the driver's table on purpose: a wrong offset there is found here. Source: 8254x Software Developer's
//! Manual, table 13-3; 82574 Datasheet, table 10-3.

/// Device Control.
pub const CTRL: u64 = 0x0_0000;
/// Device Status.
pub const STATUS: u64 = 0x0_0008;
/// EEPROM Read.
pub const EERD: u64 = 0x0_0014;
/// Extended Device Control.
pub const CTRL_EXT: u64 = 0x0_0018;
/// MDI Control.
pub const MDIC: u64 = 0x0_0020;
/// VLAN Ether Type.
pub const VET: u64 = 0x0_0038;
/// Interrupt Cause Read.
pub const ICR: u64 = 0x0_00c0;
/// Interrupt Throttling.
pub const ITR: u64 = 0x0_00c4;
/// Interrupt Cause Set.
pub const ICS: u64 = 0x0_00c8;
/// Interrupt Mask Set/Read.
pub const IMS: u64 = 0x0_00d0;
/// Interrupt Mask Clear.
pub const IMC: u64 = 0x0_00d8;
/// Extended Interrupt Auto Clear.
pub const EIAC: u64 = 0x0_00dc;
/// Interrupt Acknowledge Auto Mask.
pub const IAM: u64 = 0x0_00e0;
/// Interrupt Vector Allocation.
pub const IVAR: u64 = 0x0_00e4;
/// Extended Interrupt Throttle, the first of five.
pub const EITR: u64 = 0x0_00e8;
/// Receive Control.
pub const RCTL: u64 = 0x0_0100;
/// Transmit Control.
pub const TCTL: u64 = 0x0_0400;
/// Transmit Inter Packet Gap.
pub const TIPG: u64 = 0x0_0410;
/// Receive Descriptor Base Address Low; the high half follows.
pub const RDBAL: u64 = 0x0_2800;
/// Receive Descriptor Length.
pub const RDLEN: u64 = 0x0_2808;
/// Receive Descriptor Head.
pub const RDH: u64 = 0x0_2810;
/// Receive Descriptor Tail.
pub const RDT: u64 = 0x0_2818;
/// Receive Interrupt Delay Timer.
pub const RDTR: u64 = 0x0_2820;
/// Receive Interrupt Absolute Delay Timer.
pub const RADV: u64 = 0x0_282c;
/// Receive Small Packet Detect.
pub const RSRPD: u64 = 0x0_2c00;
/// Transmit Descriptor Base Address Low; the high half follows.
pub const TDBAL: u64 = 0x0_3800;
/// Transmit Descriptor Length.
pub const TDLEN: u64 = 0x0_3808;
/// Transmit Descriptor Head.
pub const TDH: u64 = 0x0_3810;
/// Transmit Descriptor Tail.
pub const TDT: u64 = 0x0_3818;
/// Transmit Descriptor Control.
pub const TXDCTL: u64 = 0x0_3828;
/// From a ring's registers to those of the second queue.
pub const QUEUE: u64 = 0x100;
/// The first of the statistics registers, CRC Error Count.
pub const CRCERRS: u64 = 0x0_4000;
/// Missed Packets Count.
pub const MPC: u64 = 0x0_4010;
/// Good Packets Received Count.
pub const GPRC: u64 = 0x0_4074;
/// Good Packets Transmitted Count.
pub const GPTC: u64 = 0x0_4080;
/// Good Octets Received Count, Low; the high half follows.
pub const GORCL: u64 = 0x0_4088;
/// Good Octets Transmitted Count, Low; the high half follows.
pub const GOTCL: u64 = 0x0_4090;
/// Total Octets Received, Low; the high half follows.
pub const TORL: u64 = 0x0_40c0;
/// Total Octets Transmitted, Low; the high half follows.
pub const TOTL: u64 = 0x0_40c8;
/// Total Packets Received.
pub const TPR: u64 = 0x0_40d0;
/// Total Packets Transmitted.
pub const TPT: u64 = 0x0_40d4;
/// The last of the statistics registers, Transmit TCP Segmentation Fail Count.
pub const TSCTFC: u64 = 0x0_40fc;
/// Receive Checksum Control.
pub const RXCSUM: u64 = 0x0_5000;
/// Receive Filter Control.
pub const RFCTL: u64 = 0x0_5008;
/// Multicast Table Array.
pub const MTA: u64 = 0x0_5200;
/// Receive Address Low of the first station address; the high half follows, and 15 more such pairs.
pub const RAL: u64 = 0x0_5400;
/// VLAN Filter Table Array.
pub const VFTA: u64 = 0x0_5600;
/// Multiple Receive Queues Command.
pub const MRQC: u64 = 0x0_5818;
/// Redirection Table.
pub const RETA: u64 = 0x0_5c00;
/// RSS Random Key.
pub const RSSRK: u64 = 0x0_5c80;

/// Bytes of BAR 0.
pub const LEN: u64 = 0x2_0000;

/// Statistics of 64 bits, by their low halves: reading the high half clears both.
const WIDE: [u64; 4] = [GORCL, GOTCL, TORL, TOTL];

/// What an access to a register does, beside returning or keeping its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keeps these bits of what is written.
    Plain(u32),
    /// Read only.
    Fixed,
    /// Cleared when read.
    Clears,
    /// The low half of a counter.
    Low,
    /// The high half of a counter, which clears both when read.
    High,
    /// Has an effect of its own.
    Special,
    /// There is no such register: ignored, and reads as 0.
    None,
}

/// What the register at `offset` is, on a chip with PCI Express or without.
pub fn kind(offset: u64, is_express: bool) -> Kind {
    let array = |from: u64, entries: u64| (from..from + 4 * entries).contains(&offset);
    let known = match offset {
        _ if !offset.is_multiple_of(4) => Kind::None,
        CTRL | EERD | MDIC | ICR | ICS | IMS | IMC | RCTL | TCTL => Kind::Special,
        STATUS => Kind::Fixed,
        ITR | RDTR | RADV | VET => Kind::Plain(0xffff),
        TIPG | RXCSUM => Kind::Plain(u32::MAX),
        _ if array(MTA, 128) || array(RAL, 32) || array(VFTA, 128) => Kind::Plain(u32::MAX),
        _ if WIDE.contains(&offset) => Kind::Low,
        _ if offset.checked_sub(4).is_some_and(|low| WIDE.contains(&low)) => Kind::High,
        CRCERRS..=TSCTFC => Kind::Clears,
        _ => of_a_ring(offset),
    };
    match known {
        Kind::None if is_express => of_express(offset),
        known => known,
    }
}

/// What a register of the first queue's rings is.
fn of_a_ring(offset: u64) -> Kind {
    match offset {
        RDT | TDT => Kind::Special,
        RDH | TDH => Kind::Plain(0xffff),
        RDBAL | TDBAL => Kind::Plain(!0xf),
        RDLEN | TDLEN => Kind::Plain(0xf_ff80),
        _ if [RDBAL, TDBAL].contains(&(offset.wrapping_sub(4))) || offset == TXDCTL => Kind::Plain(u32::MAX),
        _ => Kind::None,
    }
}

/// What a register is that came with PCI Express.
fn of_express(offset: u64) -> Kind {
    let array = |from: u64, entries: u64| (from..from + 4 * entries).contains(&offset);
    match offset {
        _ if !offset.is_multiple_of(4) => Kind::None,
        CTRL_EXT | EIAC | IAM | IVAR | RFCTL | MRQC => Kind::Plain(u32::MAX),
        RSRPD => Kind::Plain(0xfff),
        _ if array(EITR, 5) => Kind::Plain(0xffff),
        _ if array(RETA, 32) || array(RSSRK, 10) => Kind::Plain(u32::MAX),
        _ => of_a_ring(offset.wrapping_sub(QUEUE)),
    }
}
