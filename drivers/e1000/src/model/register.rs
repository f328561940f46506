//! The model's own table of registers: offsets in BAR 0, and what an access does.
//!
//! It is not the driver's table on purpose: a wrong offset there is found here. Source: 8254x Software Developer's
//! Manual, table 13-3.

/// Device Control.
pub const CTRL: u64 = 0x0_0000;
/// Device Status.
pub const STATUS: u64 = 0x0_0008;
/// EEPROM Read.
pub const EERD: u64 = 0x0_0014;
/// MDI Control.
pub const MDIC: u64 = 0x0_0020;
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
/// Receive Control.
pub const RCTL: u64 = 0x0_0100;
/// Transmit Control.
pub const TCTL: u64 = 0x0_0400;
/// Transmit Inter Packet Gap.
pub const TIPG: u64 = 0x0_0410;
/// Receive Descriptor Base Address Low.
pub const RDBAL: u64 = 0x0_2800;
/// Receive Descriptor Base Address High.
pub const RDBAH: u64 = 0x0_2804;
/// Receive Descriptor Length.
pub const RDLEN: u64 = 0x0_2808;
/// Receive Descriptor Head.
pub const RDH: u64 = 0x0_2810;
/// Receive Descriptor Tail.
pub const RDT: u64 = 0x0_2818;
/// Receive Interrupt Delay Timer.
pub const RDTR: u64 = 0x0_2820;
/// Transmit Descriptor Base Address Low.
pub const TDBAL: u64 = 0x0_3800;
/// Transmit Descriptor Base Address High.
pub const TDBAH: u64 = 0x0_3804;
/// Transmit Descriptor Length.
pub const TDLEN: u64 = 0x0_3808;
/// Transmit Descriptor Head.
pub const TDH: u64 = 0x0_3810;
/// Transmit Descriptor Tail.
pub const TDT: u64 = 0x0_3818;
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
/// The last of the statistics registers, Transmit TCP Segmentation Fail Count.
pub const TSCTFC: u64 = 0x0_40fc;
/// Receive Checksum Control.
pub const RXCSUM: u64 = 0x0_5000;
/// Multicast Table Array.
pub const MTA: u64 = 0x0_5200;
/// Receive Address Low of the first station address; the high half follows, and 15 more such pairs.
pub const RAL: u64 = 0x0_5400;

/// Bytes of BAR 0.
pub const LEN: u64 = 0x2_0000;

/// Statistics of 64 bits, by their low halves: reading the high half clears both.
const WIDE: [u64; 4] = [GORCL, GOTCL, 0x40c0, 0x40c8];

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

/// What the register at `offset` is.
pub fn kind(offset: u64) -> Kind {
    let array = |from: u64, entries: u64| (from..from + 4 * entries).contains(&offset);
    match offset {
        _ if !offset.is_multiple_of(4) => Kind::None,
        CTRL | EERD | MDIC | ICR | ICS | IMS | IMC | RCTL | TCTL | RDT | TDT => Kind::Special,
        STATUS => Kind::Fixed,
        ITR | RDTR | RDH | TDH => Kind::Plain(0xffff),
        RDBAL | TDBAL => Kind::Plain(!0xf),
        RDLEN | TDLEN => Kind::Plain(0xf_ff80),
        TIPG | RDBAH | TDBAH | RXCSUM => Kind::Plain(u32::MAX),
        _ if array(MTA, 128) || array(RAL, 32) => Kind::Plain(u32::MAX),
        _ if WIDE.contains(&offset) => Kind::Low,
        _ if offset.checked_sub(4).is_some_and(|low| WIDE.contains(&low)) => Kind::High,
        CRCERRS..=TSCTFC => Kind::Clears,
        _ => Kind::None,
    }
}
