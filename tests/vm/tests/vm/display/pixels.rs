//! What should be on a screen, computed here and nowhere else.

use crate::frames::Random;
use dirql_lab::{CursorShape, Result, Screen};
use std::fs::File;
use std::path::Path;

/// Pixels of a cursor's lines, and its lines.
const CURSOR: usize = 64;

/// The lower 24 bits of SplitMix64.
fn noise(seed: u64) -> impl Iterator<Item = u32> {
    let mut random = Random(seed);
    std::iter::repeat_with(move || random.next() as u32 & 0xff_ffff)
}

/// Noise all over a screen.
pub fn screen((width, height): (usize, usize), seed: u64) -> Screen {
    Screen { width, pixels: noise(seed).take(width * height).collect() }
}

/// A part of a screen: pixels from the left, lines from above, pixels of a line, lines.
pub type Part = [usize; 4];

/// The screen, with a part of it from another one.
pub fn with_part(mut screen: Screen, [left, top, width, height]: Part, from: &Screen) -> Screen {
    let (columns, lines) = (screen.width, screen.height());
    for y in top..(top + height).min(lines) {
        let line = y * columns + left..y * columns + (left + width).min(columns);
        screen.pixels[line.clone()].copy_from_slice(&from.pixels[line]);
    }
    screen
}

/// The cursor that the probe makes.
pub fn cursor(hot: (u16, u16), seed: u64) -> CursorShape {
    let pixels = (0..).zip(noise(seed).take(CURSOR * CURSOR));
    let pixels = pixels.map(|(index, noise): (u32, u32)| (index & 0xff) << 24 | noise).collect();
    CursorShape { hot, size: (CURSOR as u16, CURSOR as u16), pixels }
}

/// Writes a screen into a PNG file.
pub fn write_png(path: &Path, screen: &Screen) -> Result<()> {
    let mut encoder = png::Encoder::new(File::create(path)?, screen.width as u32, screen.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    let bytes: Vec<u8> =
        screen.pixels.iter().flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1)).collect();
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(())
}
