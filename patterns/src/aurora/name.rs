//! The name, drawn with a round pen.

use super::light::{lit, over};
use super::place::Place;
use crate::number::mix;

/// Where the letters stand, and how high a small one is, of the picture's height.
const BASELINE: f32 = 0.405;
const SIZE: f32 = 0.118;
/// Half of the pen's width, in small letters' heights.
const PEN: f32 = 0.075;
/// How far the light around the letters reaches.
const GLOW: f32 = 0.55;
const LEFT_COLOUR: u32 = 0xf4_fffb;
const RIGHT_COLOUR: u32 = 0xd9_f2ff;
const LIGHT: u32 = 0x3c_ffb4;

/// What the pen draws, in small letters' heights from the first letter's foot.
enum Stroke {
    /// From here up to there.
    Stem { x: f32, from: f32, to: f32 },
    /// Around here.
    Ring { x: f32 },
    /// The arm of an r, from its stem.
    Arm { x: f32 },
}

const ASCENDER: f32 = 1.55;
const DESCENDER: f32 = -0.55;
const RADIUS: f32 = 0.5;
const ARM: f32 = 0.42;
const STROKES: [Stroke; 9] = [
    Stroke::Ring { x: 0.5 },
    Stroke::Stem { x: 1.0, from: 0.0, to: ASCENDER },
    Stroke::Stem { x: 1.52, from: 0.0, to: 1.0 },
    Stroke::Stem { x: 1.52, from: 1.42, to: 1.42 },
    Stroke::Stem { x: 2.04, from: 0.0, to: 1.0 },
    Stroke::Arm { x: 2.04 },
    Stroke::Ring { x: 3.47 },
    Stroke::Stem { x: 3.97, from: DESCENDER, to: 1.0 },
    Stroke::Stem { x: 4.49, from: 0.0, to: ASCENDER },
];
const WIDTH: f32 = 4.49;

impl Stroke {
    /// How far a point is from the middle of the pen's line.
    fn distance(&self, x: f32, y: f32) -> f32 {
        let length = |x: f32, y: f32| (x * x + y * y).sqrt();
        match *self {
            Self::Stem { x: stem, from, to } => length(x - stem, y - y.clamp(from, to)),
            Self::Ring { x: centre } => (length(x - centre, y - RADIUS) - RADIUS).abs(),
            Self::Arm { x: stem } => {
                let (x, y) = (x - stem - ARM, y - (1.0 - ARM));
                let from_centre = length(x, y);
                // From the left over the top as far as 40 degrees: 70 to either side of 110.
                if -0.342 * x + 0.940 * y >= 0.342 * from_centre {
                    (from_centre - ARM).abs()
                } else {
                    length(x - 0.766 * ARM, y - 0.643 * ARM).min(length(x + ARM, y))
                }
            }
        }
    }
}

/// Draws it, with light around it.
pub fn draw(pixels: &mut [u32], place: Place) {
    // One that is narrow has smaller letters.
    let size = SIZE.min(0.16 * place.width as f32 / place.height as f32) * place.height as f32;
    if size < 4.0 {
        return;
    }
    let left = (place.width as f32 - WIDTH * size) / 2.0;
    let foot = BASELINE * place.height as f32;
    let lines =
        (foot - (ASCENDER + GLOW) * size).max(0.0) as usize..(foot + (GLOW - DESCENDER) * size) as usize;
    let columns =
        (left - GLOW * size).max(0.0) as usize..((left + (WIDTH + GLOW) * size) as usize).min(place.width);
    for line in lines {
        for column in columns.clone() {
            let (x, y) = ((column as f32 + 0.5 - left) / size, (foot - line as f32 - 0.5) / size);
            let near = |nearest: f32, stroke: &Stroke| nearest.min(stroke.distance(x, y));
            let outside = STROKES.iter().fold(GLOW, near) - PEN;
            let Some(pixel) = pixels.get_mut(line * place.width + column).filter(|_| outside < GLOW) else {
                continue;
            };
            let glow = (1.0 - outside.max(0.0) / (GLOW - PEN)).max(0.0);
            let shade = over(LEFT_COLOUR, RIGHT_COLOUR, mix(0.0, 1.0, x / WIDTH));
            *pixel = over(lit(*pixel, LIGHT, 0.34 * glow * glow * glow), shade, 0.5 - outside * size);
        }
    }
}
