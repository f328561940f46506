//! What the device can show.

use dirql::{Error, ErrorKind, Result};

/// Bytes of a pixel: XRGB8888.
pub const PIXEL: u64 = 4;

/// The least width and height that bochs-display shows.
const LEAST: u32 = 64;
/// A VGA counts its lines in characters of so many pixels.
const CHARACTER: u32 = 8;

/// What the device can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of a line at most.
    pub width: u32,
    /// Lines at most; also how far down in memory a picture may begin.
    pub height: u32,
    /// What the width is a multiple of.
    pub step: u32,
    /// Bytes of video memory.
    pub memory: u64,
}

impl Limits {
    /// The limits by what the device tells. One that tells no largest size is a bochs-display, which takes what its registers
    /// hold; one that does is a VGA.
    pub(crate) fn new(width: u16, height: u16, memory: u64) -> Self {
        let is_vga = width > 0 && height > 0;
        let [width, height] = if is_vga { [width, height] } else { [u16::MAX; 2] };
        let step = if is_vga { CHARACTER } else { 1 };
        Self { width: width.into(), height: height.into(), step, memory }
    }

    /// Whether the device can show something of this size.
    pub fn allows(&self, width: u32, height: u32) -> bool {
        (LEAST..=self.width).contains(&width)
            && (LEAST..=self.height).contains(&height)
            && width.is_multiple_of(self.step)
            && u64::from(width) * u64::from(height) * PIXEL <= self.memory
    }

    /// # Errors
    /// `InvalidArgument` where it cannot.
    pub(crate) fn check(&self, what: &str, width: u32, height: u32) -> Result<()> {
        if self.allows(width, height) {
            return Ok(());
        }
        let Self { width: widest, height: highest, step, memory } = self;
        Err(Error::new(ErrorKind::InvalidArgument, what).why(format!(
            "{width}x{height} is not between {LEAST}x{LEAST} and {widest}x{highest}, with a width in steps of {step}, within \
             {} KiB of video memory",
            memory >> 10
        )))
    }
}
