//! Northern lights over a lake, with dirql's name in the sky.
//!
//! Light is added up for each pixel from behind: the sky, the curtains, the stars; then what hides it is drawn over it, the
//! name and the mountains; and at last the lake takes what is above it.

mod curtain;
mod lake;
mod land;
mod name;
mod stars;

use crate::number::mix;
use curtain::Curtain;

/// Red, green and blue, each from 0 to 1 and beyond.
type Light = [f32; 3];

/// Where the water begins, of the height.
const SHORE: f32 = 0.775;

/// The sky's colours, from above: how far down, and which.
const SKY: [(f32, Light); 4] = [
    (0.0, [0.004, 0.006, 0.024]),
    (0.35, [0.005, 0.014, 0.048]),
    (0.62, [0.012, 0.044, 0.088]),
    (0.80, [0.052, 0.125, 0.150]),
];

/// Draws it.
pub fn draw(pixels: &mut [u32], width: usize) {
    let height = pixels.len() / width;
    let shore = ((height as f32 * SHORE) as usize).clamp(1.min(height), height);
    let place = Place { width, height };
    {
        let above = &mut pixels[..shore * width];
        sky(above, place);
        stars::draw(above, place);
        name::draw(above, place);
        land::draw(above, place);
    }
    lake::draw(pixels, width, shore);
}

/// The size of the whole picture. Lengths in it are in heights.
#[derive(Debug, Clone, Copy)]
struct Place {
    width: usize,
    height: usize,
}

impl Place {
    /// How far from the middle a column is.
    fn across(self, x: usize) -> f32 {
        (x as f32 + 0.5 - self.width as f32 / 2.0) / self.height as f32
    }

    /// How far from above a line is.
    fn down(self, y: usize) -> f32 {
        (y as f32 + 0.5) / self.height as f32
    }
}

fn sky(pixels: &mut [u32], place: Place) {
    let curtains = curtain::all(place);
    for (y, line) in pixels.chunks_exact_mut(place.width).enumerate() {
        let down = place.down(y);
        let back = backdrop(down);
        for (x, pixel) in line.iter_mut().enumerate() {
            let add = |light: Light, curtain: &Curtain| curtain.shine(light, x, down);
            *pixel = colour(curtains.iter().fold(back, add));
        }
    }
}

fn backdrop(down: f32) -> Light {
    let mut upper = SKY[0];
    for lower in SKY {
        if lower.0 >= down {
            let share = (down - upper.0) / (lower.0 - upper.0).max(f32::EPSILON);
            return [0, 1, 2].map(|part| mix(upper.1[part], lower.1[part], share));
        }
        upper = lower;
    }
    upper.1
}

/// A pixel of so much light: what is bright gets whiter, and never more than white.
fn colour(light: Light) -> u32 {
    let [red, green, blue] = light.map(|part| {
        let shown = part * (1.0 + part * 0.12) / (1.0 + part * 0.62);
        // The eye, and the screen, take a square root of it, nearly.
        let root = shown.max(0.0).sqrt();
        (root.min(1.0) * 255.0 + 0.5) as u32
    });
    red << 16 | green << 8 | blue
}

/// A pixel of which a share is another one's.
fn over(below: u32, above: u32, share: f32) -> u32 {
    [16, 8, 0].into_iter().fold(0, |pixel, shift| {
        let part = |of: u32| (of >> shift & 0xff) as f32;
        let mixed = mix(part(below), part(above), share.clamp(0.0, 1.0));
        pixel | ((mixed + 0.5) as u32) << shift
    })
}

/// A pixel with more light of a colour.
fn lit(below: u32, light: u32, share: f32) -> u32 {
    [16, 8, 0].into_iter().fold(0, |pixel, shift| {
        let part = |of: u32| (of >> shift & 0xff) as f32;
        let sum = part(below) + part(light) * share.max(0.0);
        pixel | ((sum + 0.5).min(255.0) as u32) << shift
    })
}
