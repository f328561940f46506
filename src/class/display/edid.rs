//! What a monitor says of itself.
//!
//! Source: VESA Enhanced EDID Standard, release A, 3.

use serde::Serialize;

use super::Mode;
use crate::{Error, ErrorKind, Result};

/// Bytes of the base block. Those of extensions may follow.
const BLOCK: usize = 128;
/// Where a descriptor is a timing, or what its fourth byte says.
const DESCRIPTORS: [usize; 4] = [54, 72, 90, 108];
const DESCRIPTOR: usize = 18;
const NAME: u8 = 0xfc;

/// The timings that have a bit each, from bit 7 of byte 35 on; `None` for an interlaced one, which is left out.
const ESTABLISHED: [Option<(u32, u32, u32)>; 17] = [
    Some((720, 400, 70)),
    Some((720, 400, 88)),
    Some((640, 480, 60)),
    Some((640, 480, 67)),
    Some((640, 480, 72)),
    Some((640, 480, 75)),
    Some((800, 600, 56)),
    Some((800, 600, 60)),
    Some((800, 600, 72)),
    Some((800, 600, 75)),
    Some((832, 624, 75)),
    None,
    Some((1024, 768, 60)),
    Some((1024, 768, 70)),
    Some((1024, 768, 75)),
    Some((1280, 1024, 75)),
    Some((1152, 870, 75)),
];

/// A monitor's description, as far as its base block goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edid {
    /// Three letters.
    pub manufacturer: String,
    /// The manufacturer's number of it.
    pub product: u16,
    /// 0 where there is none.
    pub serial: u32,
    /// What it calls itself.
    pub name: Option<String>,
    /// How wide and how high its picture is, in mm; 0 where it does not say.
    pub size: (u16, u16),
    /// What it can show, the preferred one first.
    pub modes: Vec<Mode>,
}

impl Edid {
    /// Reads a description, of 128 bytes or more.
    ///
    /// # Errors
    /// `Device` where it is none: it is too short, or its header or its checksum is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: String| Err(Error::new(ErrorKind::Device, "reading of the EDID").why(why));
        let Some(block) = bytes.first_chunk::<BLOCK>() else {
            return wrong(format!("it has {} bytes of at least {BLOCK}", bytes.len()));
        };
        if block[..8] != [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0] {
            return wrong(format!("it begins with {:02x?}, which is not its header", &block[..8]));
        }
        let sum = block.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        if sum != 0 {
            return wrong(format!("its checksum is off by {sum:#04x}"));
        }
        let letters = u16::from_be_bytes([block[8], block[9]]);
        let letter = |shift: u16| char::from(b'@' + (letters >> shift & 0x1f) as u8);
        let descriptors = || DESCRIPTORS.iter().filter_map(|&at| block[at..].first_chunk::<DESCRIPTOR>());
        let centimetres = (u16::from(block[21]) * 10, u16::from(block[22]) * 10);
        Ok(Self {
            manufacturer: [10, 5, 0].map(letter).iter().collect(),
            product: u16::from_le_bytes([block[10], block[11]]),
            serial: u32::from_le_bytes([block[12], block[13], block[14], block[15]]),
            name: descriptors().find(|text| text[..4] == [0, 0, 0, NAME]).map(|text| {
                let name = text[5..].split(|&byte| byte == b'\n').next().unwrap_or_default();
                String::from_utf8_lossy(name).trim().to_owned()
            }),
            size: descriptors().find_map(size).unwrap_or(centimetres),
            modes: modes(block, descriptors().filter_map(detailed)),
        })
    }
}

/// Every mode once, in the order in which the standard prefers them.
fn modes(block: &[u8; BLOCK], detailed: impl Iterator<Item = Mode>) -> Vec<Mode> {
    let standard = block[38..54].chunks_exact(2).filter_map(|pair| standard(pair[0], pair[1]));
    let established = ESTABLISHED.iter().enumerate().filter_map(|(bit, timing)| {
        let (width, height, hertz) = timing.filter(|_| block[35 + bit / 8] & 0x80 >> (bit % 8) != 0)?;
        Some(Mode { width, height, refresh: hertz * 1000 })
    });
    let mut modes = Vec::new();
    for mode in detailed.chain(standard).chain(established) {
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    modes
}

/// The twelve bits of which four are in another byte.
fn twelve(low: u8, high: u8) -> u32 {
    u32::from(low) | u32::from(high & 0xf) << 8
}

/// A detailed timing (3.10.2); `None` of a descriptor that is something else, and of an interlaced one.
fn detailed(timing: &[u8; DESCRIPTOR]) -> Option<Mode> {
    // In units of 10 kHz.
    let clock = u64::from(u16::from_le_bytes([timing[0], timing[1]]));
    let (width, blank_width) = (twelve(timing[2], timing[4] >> 4), twelve(timing[3], timing[4]));
    let (height, blank_height) = (twelve(timing[5], timing[7] >> 4), twelve(timing[6], timing[7]));
    let interlaced = timing[17] & 0x80 != 0;
    if clock == 0 || width == 0 || height == 0 || interlaced {
        return None;
    }
    let total = u64::from(width + blank_width) * u64::from(height + blank_height);
    let refresh = (clock * 10_000_000 + total / 2) / total;
    Some(Mode { width, height, refresh: refresh.try_into().ok()? })
}

/// How large a detailed timing's picture is, in mm.
fn size(timing: &[u8; DESCRIPTOR]) -> Option<(u16, u16)> {
    detailed(timing)?;
    let size = (twelve(timing[12], timing[14] >> 4) as u16, twelve(timing[13], timing[14]) as u16);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// A standard timing (3.9); `None` where there is none.
fn standard(columns: u8, rest: u8) -> Option<Mode> {
    if columns == 0 || (columns, rest) == (1, 1) {
        return None;
    }
    let width = (u32::from(columns) + 31) * 8;
    let height = match rest >> 6 {
        0 => width * 10 / 16,
        1 => width * 3 / 4,
        2 => width * 4 / 5,
        _ => width * 9 / 16,
    };
    Some(Mode { width, height, refresh: (u32::from(rest & 0x3f) + 60) * 1000 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 1280 x 800 at about 60 Hz, three standard timings of which one is none, two established ones.
    fn block() -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 0]);
        block[8..12].copy_from_slice(&[0x49, 0x14, 0x34, 0x12]);
        block[12] = 7;
        (block[21], block[22]) = (32, 20);
        (block[35], block[36]) = (0x20, 0x18);
        block[38..54].copy_from_slice(&[1; 16]);
        block[40..42].copy_from_slice(&[0xd1, 0xc0]);
        // 8350 x 10 kHz over 1680 x 831.
        block[54..72].copy_from_slice(&[
            0x9e, 0x20, 0x00, 0x90, 0x51, 0x20, 0x1f, 0x30, 0, 0, 0, 0, 0x44, 0xcd, 0x10, 0, 0, 0x18,
        ]);
        block[90..108].copy_from_slice(b"\0\0\0\xfc\0A monitor\n   ");
        seal(&mut block);
        block
    }

    fn seal(block: &mut [u8; BLOCK]) {
        let sum = block[..127].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        block[127] = sum.wrapping_neg();
    }

    #[test]
    fn reads_a_description() {
        let edid = Edid::parse(&block()).unwrap();
        let mode = |width, height, refresh| Mode { width, height, refresh };
        assert_eq!((edid.manufacturer.as_str(), edid.product, edid.serial), ("RHT", 0x1234, 7));
        assert_eq!((edid.name.as_deref(), edid.size), (Some("A monitor"), (324, 205)));
        assert_eq!(
            edid.modes,
            [
                mode(1280, 800, 59_810),
                mode(1920, 1080, 60_000),
                mode(640, 480, 60_000),
                mode(1024, 768, 60_000)
            ]
        );
    }

    #[test]
    fn says_what_is_wrong_with_one_that_is_none() {
        let mut bad = block();
        bad[127] = bad[127].wrapping_add(1);
        for (bytes, words) in [
            (&block()[..127], "127 bytes of at least 128"),
            (&[0; BLOCK][..], "not its header"),
            (&bad[..], "off by 0x01"),
        ] {
            let error = Edid::parse(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn takes_whatever_follows_the_header(rest in proptest::array::uniform32(any::<[u8; 4]>())) {
            let mut bytes: [u8; BLOCK] = rest.as_flattened().try_into().unwrap();
            bytes[..8].copy_from_slice(&block()[..8]);
            seal(&mut bytes);
            let edid = Edid::parse(&bytes).unwrap();
            prop_assert!(edid.modes.iter().all(|mode| mode.width > 0 && mode.height > 0));
        }
    }
}
