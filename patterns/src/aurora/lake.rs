//! The lake.

use super::light::over;
use crate::number::{hash, mix, step, wave};

const DEEP: u32 = 0x03_0a14;
/// How much more of the height is seen in the lake than it has itself.
const PRESSED: f32 = 2.75;

/// Mirrors what is above the shore, on waves.
pub fn draw(pixels: &mut [u32], width: usize, shore: usize) {
    let height = pixels.len() / width;
    let depth = (height - shore).max(1) as f32;
    let (above, below) = pixels.split_at_mut(shore * width);
    for (y, line) in below.chunks_exact_mut(width).enumerate() {
        let near = (y as f32 + 0.5) / depth;
        let size = mix(0.4, 5.0, near) * height as f32 / 768.0;
        let phase = hash(y as i32, 4001);
        for (x, pixel) in line.iter_mut().enumerate() {
            let across = x as f32 / height as f32;
            let ripple = wave(across * mix(21.0, 7.0, near) + near * 9.0 + 0.15 * phase)
                + 0.6 * wave(across * mix(47.0, 15.0, near) - near * 23.0 + 0.3 * phase);
            let up = (y as f32 * PRESSED + ripple * size + 1.0).clamp(1.0, shore as f32) as usize;
            let aside = (x as f32 + ripple * size * 0.5).clamp(0.0, (width - 1) as f32) as usize;
            let mirrored = above[(shore - up) * width + aside];
            let dark = 0.24 + 0.42 * step(0.0, 1.0, near) + 0.05 * ripple;
            *pixel = over(mirrored, DEEP, dark);
        }
    }
}
