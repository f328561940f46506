//! Northern lights over a lake, with dirql's name in the sky.
//!
//! Light is added up for each pixel from behind: the sky, the curtains, the stars; then what hides it is drawn over it, the
//! name and the mountains; and at last the lake takes what is above it.

mod curtain;
mod lake;
mod land;
mod light;
mod name;
mod place;
mod stars;

use crate::number::mix;
use curtain::Curtain;
use light::{Light, colour};
use place::{Place, SHORE};

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
