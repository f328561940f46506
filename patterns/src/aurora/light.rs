//! Light, and pixels of it.

use crate::number::mix;

/// Red, green and blue, each from 0 to 1 and beyond.
pub type Light = [f32; 3];

/// A pixel of so much light: what is bright gets whiter, and never more than white.
pub fn colour(light: Light) -> u32 {
    let [red, green, blue] = light.map(|part| {
        let shown = part * (1.0 + part * 0.12) / (1.0 + part * 0.62);
        // The eye, and the screen, take a square root of it, nearly.
        let root = shown.max(0.0).sqrt();
        (root.min(1.0) * 255.0 + 0.5) as u32
    });
    red << 16 | green << 8 | blue
}

/// A pixel of which a share is another one's.
pub fn over(below: u32, above: u32, share: f32) -> u32 {
    [16, 8, 0].into_iter().fold(0, |pixel, shift| {
        let part = |of: u32| (of >> shift & 0xff) as f32;
        let mixed = mix(part(below), part(above), share.clamp(0.0, 1.0));
        pixel | ((mixed + 0.5) as u32) << shift
    })
}

/// A pixel with more light of a colour.
pub fn lit(below: u32, light: u32, share: f32) -> u32 {
    [16, 8, 0].into_iter().fold(0, |pixel, shift| {
        let part = |of: u32| (of >> shift & 0xff) as f32;
        let sum = part(below) + part(light) * share.max(0.0);
        pixel | ((sum + 0.5).min(255.0) as u32) << shift
    })
}
