//! What the monitor says of itself.

/// A base block: 1280x800 would rather be shown than 1366x768, 1920x1080, 1024x768 and 640x480.
pub fn block() -> [u8; 128] {
    let mut block = [0; 128];
    block[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
    // DQL, a product's number, no serial number; version 1.4.
    block[8..12].copy_from_slice(&[0x12, 0x2c, 0x01, 0x00]);
    (block[18], block[19]) = (1, 4);
    (block[35], block[36]) = (0x20, 0x08);
    block[38..54].fill(1);
    block[38..40].copy_from_slice(&[0xd1, 0xc0]);
    // 8350 x 10 kHz over 1680 x 831, and 8550 x 10 kHz over 1792 x 798.
    block[54..72].copy_from_slice(&[
        0x9e, 0x20, 0x00, 0x90, 0x51, 0x20, 0x1f, 0x30, 0, 0, 0, 0, 0x44, 0xcd, 0x10, 0, 0, 0x18,
    ]);
    block[72..90].copy_from_slice(&[
        0x66, 0x21, 0x56, 0xaa, 0x51, 0x00, 0x1e, 0x30, 0, 0, 0, 0, 0x44, 0xcd, 0x10, 0, 0, 0x18,
    ]);
    block[90..108].copy_from_slice(b"\0\0\0\xfc\0A model\n     ");
    let sum = block[..127].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    block[127] = sum.wrapping_neg();
    block
}
