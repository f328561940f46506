//! Offsets, in bytes, of the registers of configuration space, by the names of the PCI Express base
//! specification, section 7.5.1 (the type 0 header and what both headers share).

/// Vendor ID, 16 bits; 0xffff where no function answers.
pub const VENDOR_ID: u16 = 0x00;
/// Device ID, 16 bits.
pub const DEVICE_ID: u16 = 0x02;
/// Command, 16 bits: see [`Command`](super::Command).
pub const COMMAND: u16 = 0x04;
/// Status, 16 bits.
pub const STATUS: u16 = 0x06;
/// Revision ID, 8 bits.
pub const REVISION_ID: u16 = 0x08;
/// Class Code, 24 bits: programming interface, sub-class, base class.
pub const CLASS_CODE: u16 = 0x09;
/// Cache Line Size, 8 bits, in units of four bytes.
pub const CACHE_LINE_SIZE: u16 = 0x0c;
/// Latency Timer, 8 bits; zero on PCI Express.
pub const LATENCY_TIMER: u16 = 0x0d;
/// Header Type, 8 bits: bit 7 says multi-function.
pub const HEADER_TYPE: u16 = 0x0e;
/// Built-in self test, 8 bits.
pub const BIST: u16 = 0x0f;
/// The first of the Base Address Registers, 32 bits each: six in a type 0 header, two in type 1.
pub const BAR0: u16 = 0x10;
/// Subsystem Vendor ID, 16 bits, type 0 only.
pub const SUBSYSTEM_VENDOR_ID: u16 = 0x2c;
/// Subsystem ID, 16 bits, type 0 only.
pub const SUBSYSTEM_ID: u16 = 0x2e;
/// Expansion ROM Base Address, 32 bits, type 0 only.
pub const EXPANSION_ROM: u16 = 0x30;
/// Primary Bus Number, 8 bits, type 1 only.
pub const PRIMARY_BUS: u16 = 0x18;
/// Secondary Bus Number, 8 bits, type 1 only.
pub const SECONDARY_BUS: u16 = 0x19;
/// Subordinate Bus Number, 8 bits, type 1 only.
pub const SUBORDINATE_BUS: u16 = 0x1a;
/// I/O Base, 8 bits, type 1 only: bits 15:12 of the first port.
pub const IO_BASE: u16 = 0x1c;
/// I/O Limit, 8 bits, type 1 only.
pub const IO_LIMIT: u16 = 0x1d;
/// Memory Base, 16 bits, type 1 only: bits 31:20 of the first address.
pub const MEMORY_BASE: u16 = 0x20;
/// Memory Limit, 16 bits, type 1 only.
pub const MEMORY_LIMIT: u16 = 0x22;
/// Prefetchable Memory Base, 16 bits, type 1 only.
pub const PREFETCHABLE_BASE: u16 = 0x24;
/// Prefetchable Memory Limit, 16 bits, type 1 only.
pub const PREFETCHABLE_LIMIT: u16 = 0x26;
/// Bits 63:32 of Prefetchable Memory Base, type 1 only.
pub const PREFETCHABLE_BASE_UPPER: u16 = 0x28;
/// Bits 63:32 of Prefetchable Memory Limit, type 1 only.
pub const PREFETCHABLE_LIMIT_UPPER: u16 = 0x2c;
/// Bits 31:16 of I/O Base, type 1 only.
pub const IO_BASE_UPPER: u16 = 0x30;
/// Bits 31:16 of I/O Limit, type 1 only.
pub const IO_LIMIT_UPPER: u16 = 0x32;
/// Expansion ROM Base Address, 32 bits, of type 1.
pub const BRIDGE_EXPANSION_ROM: u16 = 0x38;
/// Bridge Control, 16 bits, type 1 only.
pub const BRIDGE_CONTROL: u16 = 0x3e;
/// Capabilities Pointer, 8 bits: where the list starts, if Status says that there is one.
pub const CAPABILITIES_POINTER: u16 = 0x34;
/// Interrupt Line, 8 bits: what firmware noted; means nothing to a device.
pub const INTERRUPT_LINE: u16 = 0x3c;
/// Interrupt Pin, 8 bits: 0 none, 1 to 4 INTA to INTD.
pub const INTERRUPT_PIN: u16 = 0x3d;
/// Where the extended capabilities start, in the configuration space of a PCI Express function.
pub const EXTENDED_CAPABILITIES: u16 = 0x100;

/// The bit of [`STATUS`] that says that there is a list of capabilities.
pub const STATUS_CAPABILITIES_LIST: u16 = 1 << 4;
/// The bit of [`STATUS`] that says that the function asserts INTx.
pub const STATUS_INTERRUPT: u16 = 1 << 3;

/// Capability ID of Power Management.
pub const CAPABILITY_POWER_MANAGEMENT: u8 = 0x01;
/// Capability ID of MSI.
pub const CAPABILITY_MSI: u8 = 0x05;
/// Capability ID of PCI Express.
pub const CAPABILITY_EXPRESS: u8 = 0x10;
/// Capability ID of MSI-X.
pub const CAPABILITY_MSIX: u8 = 0x11;
/// Capability ID of Advanced Features: a function-level reset for conventional PCI.
pub const CAPABILITY_ADVANCED_FEATURES: u8 = 0x13;
/// Extended capability ID of Advanced Error Reporting.
pub const EXTENDED_ADVANCED_ERROR_REPORTING: u16 = 0x0001;
