//! The causes of interrupts, as ICR has them.

/// Transmit Descriptor Written Back.
pub const TXDW: u32 = 1 << 0;
/// Transmit Queue Empty.
pub const TXQE: u32 = 1 << 1;
/// Link Status Change.
pub const LSC: u32 = 1 << 2;
/// Receive Descriptor Minimum Threshold Reached.
pub const RXDMT0: u32 = 1 << 4;
/// Receiver Overrun.
pub const RXO: u32 = 1 << 6;
/// Receiver Timer Interrupt.
pub const RXT0: u32 = 1 << 7;
/// MDI/O Access Complete.
pub const MDAC: u32 = 1 << 9;
/// A TCP acknowledgement came.
pub const ACK: u32 = 1 << 17;
