//! A monitor's description: its preferred mode at 60 Hz, and an established one.

/// Bytes of a response's description.
const LEN: usize = 1024;
/// Pixels and lines that are not shown.
const BLANK: u32 = 160;

/// The description of a monitor of this size.
pub fn edid(width: u32, height: u32) -> Vec<u8> {
    let mut block = vec![0; LEN];
    block[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
    block[8..12].copy_from_slice(&[0x49, 0x14, 0x34, 0x12]);
    // 640 x 480 at 60 Hz.
    block[35] = 0x20;
    block[38..54].fill(1);
    let clock = ((width + BLANK) * (height + BLANK) * 60 / 10_000) as u16;
    block[54..56].copy_from_slice(&clock.to_le_bytes());
    for (at, shown) in [(56, width), (59, height)] {
        block[at] = shown as u8;
        block[at + 1] = BLANK as u8;
        block[at + 2] = ((shown >> 8) << 4 | BLANK >> 8) as u8;
    }
    block[72..90].copy_from_slice(b"\0\0\0\xfc\0Model\n       ");
    let sum = block[..127].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    block[127] = sum.wrapping_neg();
    block
}
