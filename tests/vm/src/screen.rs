//! What is on a screen, as QEMU has it: the emulated hardware's pixels, whoever drew them.

use crate::Result;
use crate::qmp::Qmp;
use qapi::qmp;
use std::fmt;
use std::fs;
use std::path::Path;

/// A screen's pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Screen {
    /// Pixels of a line.
    pub width: usize,
    /// Line after line, each 0x00RRGGBB.
    pub pixels: Vec<u32>,
}

impl Screen {
    /// A screen of one colour.
    pub fn filled(width: usize, height: usize, colour: u32) -> Screen {
        Screen { width, pixels: vec![colour; width * height] }
    }

    /// Lines.
    pub fn height(&self) -> usize {
        self.pixels.len().checked_div(self.width).unwrap_or(0)
    }

    /// Takes a dump of the screen, through a file.
    pub(crate) fn dump(qmp: &Qmp, device: &str, head: u32, file: &Path) -> Result<Screen> {
        qmp.execute(&qmp::screendump {
            filename: file.to_str().ok_or("a path of the lab is not UTF-8")?.to_owned(),
            device: Some(device.to_owned()),
            head: Some(head.into()),
            format: None,
        })?;
        let bytes = fs::read(file)?;
        fs::remove_file(file)?;
        Screen::parse(&bytes).ok_or_else(|| format!("the dump of {device} is no PPM of 8 bits").into())
    }

    /// Takes a PPM apart: `P6`, the width, the height and 255, each with blanks behind it, and then three bytes a pixel.
    pub fn parse(ppm: &[u8]) -> Option<Screen> {
        let mut rest = ppm;
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace)?;
            let word = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(word)
        };
        let (magic, width, height, most) = (word()?, word()?, word()?, word()?);
        let (width, height): (usize, usize) = (width.parse().ok()?, height.parse().ok()?);
        if (magic, most) != ("P6", "255") || rest.len() != width.checked_mul(height)?.checked_mul(3)? {
            return None;
        }
        let pixel = |of: &[u8]| u32::from(of[0]) << 16 | u32::from(of[1]) << 8 | u32::from(of[2]);
        Some(Screen { width, pixels: rest.chunks_exact(3).map(pixel).collect() })
    }

    /// Where it differs from what it should be; `None` where it does not.
    pub fn difference(&self, wanted: &Screen) -> Option<String> {
        let sizes = [self, wanted].map(|screen| (screen.width, screen.height()));
        if sizes[0] != sizes[1] {
            return Some(format!("it is {:?}, wanted {:?}", sizes[0], sizes[1]));
        }
        let pairs = self.pixels.iter().zip(&wanted.pixels);
        let mut differing = pairs.enumerate().filter(|(_, (found, wanted))| found != wanted);
        let (first, (found, wanted)) = differing.next()?;
        let (x, y, more) = (first % self.width, first / self.width, differing.count());
        Some(format!("pixel {x},{y} is {found:06x}, wanted {wanted:06x}; {more} more differ"))
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a screen of {}x{}", self.width, self.height())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_taken_apart() {
        let screen = Screen::parse(b"P6\n2 1\n255\n\x01\x02\x03\x0a\x20\xff").unwrap();
        assert_eq!((screen.width, screen.height(), &screen.pixels[..]), (2, 1, &[0x010203, 0x0a20ff][..]));
        for bad in [
            &b"P6\n2 1\n255\n\x01\x02\x03"[..],
            b"P5\n1 1\n255\n\x01\x02\x03",
            b"P6\n1 1\n65535\n\x01\x02\x03",
            b"",
        ] {
            assert!(Screen::parse(bad).is_none());
        }
    }

    #[test]
    fn a_difference_is_told() {
        let (wanted, mut found) = (Screen::filled(3, 2, 7), Screen::filled(3, 2, 7));
        assert_eq!(found.difference(&wanted), None);
        found.pixels[4] = 8;
        assert_eq!(found.difference(&wanted).unwrap(), "pixel 1,1 is 000008, wanted 000007; 0 more differ");
        assert!(Screen::filled(2, 3, 7).difference(&wanted).unwrap().contains("(2, 3)"));
    }
}
