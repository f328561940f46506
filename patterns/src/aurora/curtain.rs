//! The curtains of light.

use super::light::Light;
use super::place::Place;
use crate::number::{mix, rough, smooth, step, wave};

/// The colours of a curtain: at its hem, higher, and where it fades.
const HEM: Light = [0.10, 1.00, 0.42];
const MIDDLE: Light = [0.03, 0.52, 0.50];
const TOP: Light = [0.36, 0.12, 0.62];

/// How a curtain hangs.
struct Shape {
    /// Where its hem is.
    hem: f32,
    /// How much that rises to the right.
    slope: f32,
    /// How much it swings, and how often in a height.
    swing: [(f32, f32, f32); 2],
    /// How high it is.
    height: f32,
    brightness: f32,
    seed: u32,
}

const SHAPES: [Shape; 3] = [
    Shape {
        hem: 0.585,
        slope: -0.10,
        swing: [(0.045, 0.62, 0.10), (0.016, 1.9, 0.4)],
        height: 0.52,
        brightness: 1.25,
        seed: 11,
    },
    Shape {
        hem: 0.50,
        slope: 0.14,
        swing: [(0.055, 0.47, 0.62), (0.020, 1.5, 0.15)],
        height: 0.46,
        brightness: 0.62,
        seed: 29,
    },
    Shape {
        hem: 0.655,
        slope: 0.03,
        swing: [(0.022, 0.9, 0.30), (0.010, 2.6, 0.8)],
        height: 0.30,
        brightness: 0.40,
        seed: 53,
    },
];

/// A curtain, by column.
pub struct Curtain {
    columns: Vec<Column>,
}

#[derive(Clone, Copy)]
struct Column {
    hem: f32,
    height: f32,
    brightness: f32,
}

/// Every curtain.
pub fn all(place: Place) -> Vec<Curtain> {
    let column = |shape: &Shape, x: usize| shape.column(place.across(x));
    let columns = |shape: &Shape| (0..place.width).map(|x| column(shape, x)).collect();
    SHAPES.iter().map(|shape| Curtain { columns: columns(shape) }).collect()
}

impl Shape {
    fn column(&self, across: f32) -> Column {
        let swing = |(size, often, phase): (f32, f32, f32)| size * wave(across * often + phase);
        let hem = self.hem + self.slope * across + self.swing.into_iter().map(swing).sum::<f32>();
        // Folds, rays in them, and where the curtain is thin.
        let folds = rough(across * 3.1 + 40.0, self.seed, 3);
        let rays = rough(across * 26.0 + 900.0, self.seed + 7, 3);
        let thin = step(0.12, 0.78, smooth(across * 1.25 + 77.0, self.seed + 13));
        let brightness = self.brightness * thin * (0.10 + 1.15 * folds * folds + 0.75 * rays * folds);
        Column { hem, height: self.height * (0.55 + 0.75 * rays * folds + 0.25 * folds), brightness }
    }
}

impl Curtain {
    /// The light, with what the curtain adds.
    pub fn shine(&self, light: Light, x: usize, down: f32) -> Light {
        let Column { hem, height, brightness } = self.columns[x];
        let above = hem - down;
        if above < -0.055 || above > height || brightness <= 0.0 {
            return light;
        }
        let (strength, colour) = if above < 0.0 {
            // The hem glows a little below.
            let glow = 1.0 + above / 0.055;
            (0.55 * glow * glow * glow, HEM)
        } else {
            let up = above / height;
            let fade = (1.0 - up) * (1.0 - up) * (1.0 - 0.45 * up);
            let hem = 0.55 + 0.45 * step(0.0, 0.02, above);
            let upper = step(0.15, 0.95, up);
            let lower = step(0.0, 0.45, up);
            let colour = [0, 1, 2].map(|part| mix(mix(HEM[part], MIDDLE[part], lower), TOP[part], upper));
            (fade * hem, colour)
        };
        let strength = strength * brightness;
        [0, 1, 2].map(|part| light[part] + strength * colour[part])
    }
}
