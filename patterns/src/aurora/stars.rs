//! The stars.

use super::light::lit;
use super::place::Place;
use crate::number::{hash, step};

/// Fields in a height, with a star in some of them.
const FIELDS: f32 = 26.0;
/// How far down there are any.
const LOWEST: f32 = 0.70;

/// Draws them.
pub fn draw(pixels: &mut [u32], place: Place) {
    let size = place.height as f32 / FIELDS;
    if size < 4.0 {
        return;
    }
    let (columns, rows) = ((place.width as f32 / size) as i32 + 1, (FIELDS * LOWEST) as i32 + 1);
    for row in 0..rows {
        for column in 0..columns {
            let number = |what: u32| hash(column * 1024 + row, 1000 + what);
            if number(0) < 0.45 {
                continue;
            }
            let at = ((column as f32 + number(1)) * size, (row as f32 + number(2)) * size);
            let fainter = 1.0 - step(0.3, LOWEST, at.1 / place.height as f32);
            let bright = number(3) * number(3) * number(3);
            let colour = if number(4) < 0.25 { 0xff_e2c4 } else { 0xd8_e6ff };
            let radius = (0.45 + 0.95 * bright) * (place.height as f32 / 768.0).max(0.8);
            dot(pixels, place, at, radius, colour, (0.22 + 0.78 * bright) * fainter);
        }
    }
}

/// A dot of light that fades to its edge.
fn dot(pixels: &mut [u32], place: Place, (x, y): (f32, f32), radius: f32, colour: u32, strength: f32) {
    let reach = 2.4 * radius + 1.0;
    let lines = (y - reach).max(0.0) as usize..((y + reach).max(0.0) as usize + 1);
    for line in lines {
        let columns = (x - reach).max(0.0) as usize..((x + reach).max(0.0) as usize + 1).min(place.width);
        for column in columns {
            let (dx, dy) = (column as f32 + 0.5 - x, line as f32 + 0.5 - y);
            let near = 1.0 - (dx * dx + dy * dy) / (reach * reach);
            let Some(pixel) = pixels.get_mut(line * place.width + column).filter(|_| near > 0.0) else {
                continue;
            };
            *pixel = lit(*pixel, colour, strength * near * near * near);
        }
    }
}
