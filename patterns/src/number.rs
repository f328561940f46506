//! Numbers that are the same everywhere: no function of a mathematical library is used.

use crate::noise::mixed;

/// A wave of length 1 between -1 and 1: a sine, to a thousandth.
pub fn wave(at: f32) -> f32 {
    let at = at - (at + 0.5).floor();
    let arc = 8.0 * at - 16.0 * at * at.abs();
    0.775 * arc + 0.225 * arc * arc.abs()
}

/// From 0 at `from` to 1 at `to`, without a corner.
pub fn step(from: f32, to: f32, at: f32) -> f32 {
    let at = ((at - from) / (to - from)).clamp(0.0, 1.0);
    at * at * (3.0 - 2.0 * at)
}

/// As far from `a` to `b`.
pub fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// A number between 0 and 1 for a pair.
pub fn hash(a: i32, b: u32) -> f32 {
    let pair = u64::from(a.cast_unsigned()) << 32 | u64::from(b);
    (mixed(pair) >> 40) as f32 / (1 << 24) as f32
}

/// Between 0 and 1, and smooth: it has a number for each integer.
pub fn smooth(at: f32, seed: u32) -> f32 {
    let whole = at.floor();
    let share = at - whole;
    let share = share * share * (3.0 - 2.0 * share);
    mix(hash(whole as i32, seed), hash((whole as i32).wrapping_add(1), seed), share)
}

/// As [`smooth`], rougher with each octave.
pub fn rough(at: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut all, mut size, mut scale) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..octaves {
        sum += size * smooth(at * scale, seed.wrapping_add(octave));
        all += size;
        size *= 0.5;
        scale *= 2.0;
    }
    if octaves == 0 { 0.0 } else { sum / all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_nearly_a_sine() {
        for step in -300..300 {
            let at = step as f32 / 97.0;
            let sine = (f64::from(at) * std::f64::consts::TAU).sin() as f32;
            assert!((wave(at) - sine).abs() < 2e-3, "{at}: {} and {sine}", wave(at));
        }
    }

    #[test]
    fn noise_is_between_0_and_1_and_goes_through_its_numbers() {
        for at in -50..50 {
            assert_eq!(smooth(at as f32, 3), hash(at, 3));
            assert!((0.0..1.0).contains(&rough(at as f32 / 7.0, 3, 4)));
        }
        assert_ne!(hash(1, 3), hash(1, 4));
    }
}
