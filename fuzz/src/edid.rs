//! What a monitor says of itself.

use dirql::class::display::Edid;

const BLOCK: usize = 128;

pub fn run(bytes: &[u8]) {
    check(bytes);
    // No chance finds a checksum.
    if let Some(block) = bytes.first_chunk::<BLOCK>() {
        let mut sealed = *block;
        sealed[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
        let sum = sealed[..BLOCK - 1].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        sealed[BLOCK - 1] = sum.wrapping_neg();
        assert!(check(&sealed));
    }
}

fn check(bytes: &[u8]) -> bool {
    let Ok(edid) = Edid::parse(bytes) else { return false };
    assert!(
        bytes.len() >= BLOCK && bytes[..BLOCK].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)) == 0
    );
    assert_eq!(edid.manufacturer.chars().count(), 3);
    for (index, mode) in edid.modes.iter().enumerate() {
        assert!(mode.width > 0 && mode.height > 0, "{mode:?}");
        assert!(!edid.modes[..index].contains(mode), "{mode:?} comes once");
    }
    assert!(edid.name.is_none_or(|name| name.trim() == name));
    true
}
