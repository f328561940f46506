//! Test patterns for displays.
//!
//! A pattern has the same pixels for a size on every machine, whatever its floating-point unit and its mathematical
//! library: only additions, multiplications, divisions and square roots are used, which IEEE 754 says the result of. So
//! what an observer saw can be compared with the pattern drawn anew.
//!
//! ```
//! let mut pixels = vec![0; 1024 * 768];
//! dirql_patterns::Pattern::Noise { seed: 7 }.draw(&mut pixels, 1024);
//! assert_eq!(pixels[0], 0x32_0dd7);
//! ```
#![forbid(unsafe_code)]

mod aurora;
mod bars;
mod geometry;
mod noise;
mod number;

pub use noise::noise;

/// A test pattern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Northern lights over a lake: a picture to look at
    #[default]
    Aurora,
    /// Colour bars, after SMPTE EG 1
    Bars,
    /// Ramps of red, green, blue and grey, from dark to full
    Gradient,
    /// Lines of one pixel, circles that must be round, and a border that shows what is cut off
    Grid,
    /// Single black and white pixels in turns, and fields of them
    Checker,
    /// Every pixel from a seed: see [`noise`]
    Noise {
        /// The seed.
        seed: u64,
    },
}

impl Pattern {
    /// The pattern's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aurora => "aurora",
            Self::Bars => "bars",
            Self::Gradient => "gradient",
            Self::Grid => "grid",
            Self::Checker => "checker",
            Self::Noise { .. } => "noise",
        }
    }

    /// Draws it into pixels in lines of `width`, each 0x00RRGGBB. What is left over after the last whole line stays.
    pub fn draw(self, pixels: &mut [u32], width: usize) {
        let Some(height) = pixels.len().checked_div(width).filter(|&height| height > 0) else { return };
        let pixels = &mut pixels[..width * height];
        match self {
            Self::Aurora => aurora::draw(pixels, width),
            Self::Bars => bars::bars(pixels, width),
            Self::Gradient => bars::gradient(pixels, width),
            Self::Grid => geometry::grid(pixels, width),
            Self::Checker => geometry::checker(pixels, width),
            Self::Noise { seed } => {
                pixels.iter_mut().zip(noise(seed)).for_each(|(pixel, noise)| *pixel = noise)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Pattern; 6] = [
        Pattern::Aurora,
        Pattern::Bars,
        Pattern::Gradient,
        Pattern::Grid,
        Pattern::Checker,
        Pattern::Noise { seed: 7 },
    ];
    const UNTOUCHED: u32 = 0xdead_beef;

    #[test]
    fn every_pattern_fills_every_size_and_no_more() {
        for pattern in ALL {
            for (width, height) in
                [(1, 1), (1, 90), (90, 1), (2, 3), (17, 33), (64, 40), (300, 41), (41, 300)]
            {
                let mut pixels = vec![UNTOUCHED; width * height + width - 1];
                pattern.draw(&mut pixels, width);
                let (drawn, rest) = pixels.split_at(width * height);
                assert!(drawn.iter().all(|&pixel| pixel <= 0xff_ffff), "{pattern:?} at {width}x{height}");
                assert!(rest.iter().all(|&pixel| pixel == UNTOUCHED), "{pattern:?} at {width}x{height}");
            }
            pattern.draw(&mut [], 5);
            pattern.draw(&mut [UNTOUCHED], 0);
        }
    }

    /// What was once drawn on one machine; another one must not round otherwise.
    #[test]
    fn the_picture_is_the_same_everywhere() {
        let mut pixels = vec![0; 640 * 400];
        Pattern::Aurora.draw(&mut pixels, 640);
        let digest = pixels.iter().fold(0_u64, |digest, &pixel| noise::mixed(digest ^ u64::from(pixel)));
        assert_eq!(digest, 0xa697_1631_aafa_2077, "{digest:#x}");
    }
}
