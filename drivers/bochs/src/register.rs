//! The registers of BAR 2, by the names that their makers gave them.
//!
//! Source: `docs/specs/standard-vga.rst` of QEMU; `vbe_display_api.txt` of Bochs, for the DISPI registers; the VGA of IBM's
//! PS/2, for the three of it.

use dirql::region::Register;

/// Where the EDID begins.
pub const EDID: Register<u8> = Register::new(0x000, "EDID");
/// Bytes of its base block.
pub const EDID_BLOCK: u64 = 128;

/// Attribute Controller: an index, then its value, in turns.
pub const ATTRIBUTE: Register<u8> = Register::new(0x400, "ATTRIBUTE");
/// The picture is on; the index is 0.
pub const ATTRIBUTE_ON: u8 = 0x20;
/// Miscellaneous Output.
pub const MISC_OUTPUT: Register<u8> = Register::new(0x402, "MISC_OUTPUT");
/// Colour: which of two places [`INPUT_STATUS_1`] is at.
pub const MISC_OUTPUT_COLOUR: u8 = 0x01;
/// Input Status 1. Reading it makes the next write to [`ATTRIBUTE`] an index.
pub const INPUT_STATUS_1: Register<u8> = Register::new(0x41a, "INPUT_STATUS_1");

/// The version of the interface.
pub const ID: Register<u16> = Register::new(0x500, "ID");
/// Pixels of a line.
pub const XRES: Register<u16> = Register::new(0x502, "XRES");
/// Lines.
pub const YRES: Register<u16> = Register::new(0x504, "YRES");
/// Bits of a pixel.
pub const BPP: Register<u16> = Register::new(0x506, "BPP");
/// What is on.
pub const ENABLE: Register<u16> = Register::new(0x508, "ENABLE");
/// Pixels from a line to the next in memory.
pub const VIRT_WIDTH: Register<u16> = Register::new(0x50c, "VIRT_WIDTH");
/// Where in memory the picture begins: pixels.
pub const X_OFFSET: Register<u16> = Register::new(0x510, "X_OFFSET");
/// Where in memory the picture begins: lines of [`VIRT_WIDTH`].
pub const Y_OFFSET: Register<u16> = Register::new(0x512, "Y_OFFSET");
/// Memory, in units of 64 KiB.
pub const VIDEO_MEMORY_64K: Register<u16> = Register::new(0x514, "VIDEO_MEMORY_64K");

/// The first version of the interface.
pub const ID_FIRST: u16 = 0xb0c0;
/// The last one that there is.
pub const ID_LAST: u16 = 0xb0c5;

/// ENABLE: nothing is shown.
pub const DISABLED: u16 = 0x00;
/// ENABLE: the picture is shown.
pub const ENABLED: u16 = 0x01;
/// ENABLE: XRES and YRES read as the largest that there are.
pub const GETCAPS: u16 = 0x02;
/// ENABLE: the memory lies in BAR 0 as a whole.
pub const LFB_ENABLED: u16 = 0x40;
/// ENABLE: the memory keeps what it holds.
pub const NOCLEARMEM: u16 = 0x80;

/// Bytes of QEMU's own registers, itself included.
pub const QEXT_SIZE: Register<u32> = Register::new(0x600, "QEXT_SIZE");
/// In which order a pixel's bytes lie.
pub const QEXT_BYTEORDER: Register<u32> = Register::new(0x604, "QEXT_BYTEORDER");
/// QEXT_BYTEORDER: blue first.
pub const LITTLE_ENDIAN: u32 = 0x1e1e_1e1e;
