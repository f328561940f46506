//! The mountains.

use super::light::over;
use super::place::{Place, SHORE};
use crate::number::{mix, rough, smooth, step};

struct Range {
    /// Where it stands, and how high its tops are above that.
    foot: f32,
    height: f32,
    /// Tops in a height.
    often: f32,
    seed: u32,
    /// The colour of its ridge, and of its foot.
    ridge: u32,
    base: u32,
}

const RANGES: [Range; 3] = [
    Range { foot: SHORE, height: 0.205, often: 1.9, seed: 301, ridge: 0x3b_6a76, base: 0x2a_5662 },
    Range { foot: SHORE, height: 0.135, often: 2.9, seed: 331, ridge: 0x1c_3a49, base: 0x16_343f },
    Range { foot: SHORE + 0.004, height: 0.072, often: 5.3, seed: 377, ridge: 0x0b_1a24, base: 0x07_131b },
];

impl Range {
    /// How far down the ridge is in a column.
    fn ridge(&self, across: f32) -> f32 {
        let at = across * self.often + 500.0;
        // A fold makes tops of what is smooth.
        let fold = |at: f32, seed: u32| 1.0 - (2.0 * smooth(at, seed) - 1.0).abs();
        let shape = 0.55 * fold(at, self.seed)
            + 0.27 * fold(at * 2.1, self.seed + 1)
            + 0.12 * fold(at * 4.7, self.seed + 2)
            + 0.06 * rough(at * 11.0, self.seed + 3, 3);
        // Lower in the middle, where the name is.
        let valley = mix(0.62, 1.0, step(0.05, 0.75, across.abs()));
        self.foot - self.height * shape * valley
    }
}

/// Draws them, the farthest first.
pub fn draw(pixels: &mut [u32], place: Place) {
    for range in RANGES {
        for x in 0..place.width {
            let ridge = range.ridge(place.across(x)) * place.height as f32;
            for y in (ridge - 1.0).max(0.0) as usize..pixels.len() / place.width {
                let cover = y as f32 + 1.0 - ridge;
                let deep = step(0.0, range.height * 0.8, cover / place.height as f32);
                let colour = over(range.ridge, range.base, deep);
                let pixel = &mut pixels[y * place.width + x];
                *pixel = over(*pixel, colour, cover);
            }
        }
    }
}
