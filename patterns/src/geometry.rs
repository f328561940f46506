//! Geometry: lines, circles, single pixels.

const BACK: u32 = 0x10_1418;
const LINE: u32 = 0x50_5860;
const AXIS: u32 = 0xff_ffff;
const BORDER: u32 = 0xff_3030;
const CIRCLE: u32 = 0x30_e0a0;
/// Pixels from line to line.
const STEP: usize = 32;

/// Lines of one pixel from the middle outwards, circles around it and in the corners, the outermost pixels red.
pub fn grid(pixels: &mut [u32], width: usize) {
    let height = pixels.len() / width;
    let (middle_x, middle_y) = (width / 2, height / 2);
    let radius = width.min(height) / 2;
    let small = radius / 4;
    let corners = [
        (middle_x, middle_y, radius.saturating_sub(2)),
        (middle_x, middle_y, radius / 2),
        (small, small, small),
        (width.saturating_sub(small + 1), small, small),
        (small, height.saturating_sub(small + 1), small),
        (width.saturating_sub(small + 1), height.saturating_sub(small + 1), small),
    ];
    for (y, line) in pixels.chunks_exact_mut(width).enumerate() {
        let across = y.abs_diff(middle_y).is_multiple_of(STEP);
        for (x, pixel) in line.iter_mut().enumerate() {
            let edge = x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            *pixel = match () {
                () if edge => BORDER,
                () if corners.iter().any(|&circle| is_on(circle, x, y)) => CIRCLE,
                () if x == middle_x || y == middle_y => AXIS,
                () if across || x.abs_diff(middle_x).is_multiple_of(STEP) => LINE,
                () => BACK,
            };
        }
    }
}

/// Whether a pixel is within half a pixel of the circle.
fn is_on((centre_x, centre_y, radius): (usize, usize, usize), x: usize, y: usize) -> bool {
    let (dx, dy) = (x.abs_diff(centre_x) as u64, y.abs_diff(centre_y) as u64);
    let (square, radius) = (4 * (dx * dx + dy * dy), 2 * radius as u64);
    radius > 0 && square >= (radius - 1) * (radius - 1) && square <= (radius + 1) * (radius + 1)
}

/// In the middle pixels in turns, which a picture that is scaled shows as grey; around it fields of 32.
pub fn checker(pixels: &mut [u32], width: usize) {
    let height = pixels.len() / width;
    let inner = |at: usize, length: usize| (length / 4..length - length / 4).contains(&at);
    for (y, line) in pixels.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            let size = if inner(x, width) && inner(y, height) { 1 } else { STEP };
            *pixel = if (x / size + y / size).is_multiple_of(2) { 0xff_ffff } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    #[test]
    fn the_border_is_the_outermost_pixel_and_the_circle_is_round() {
        let (width, height) = (200, 100);
        let mut pixels = vec![0; width * height];
        Pattern::Grid.draw(&mut pixels, width);
        let at = |x: usize, y: usize| pixels[y * width + x];
        for (x, y) in [(0, 0), (199, 0), (0, 99), (199, 99), (70, 0), (199, 40)] {
            assert_eq!(at(x, y), super::BORDER, "{x} {y}");
        }
        assert_ne!(at(1, 1), super::BORDER);
        // 48 pixels from the middle, whichever way.
        for (x, y) in [(148, 50), (52, 50), (100, 2), (100, 98), (134, 84), (66, 16)] {
            assert_eq!(at(x, y), super::CIRCLE, "{x} {y}");
        }
        assert_eq!((at(100, 40), at(132, 41)), (super::AXIS, super::LINE));
    }

    #[test]
    fn neighbours_in_the_middle_differ() {
        let mut pixels = vec![7; 128 * 128];
        Pattern::Checker.draw(&mut pixels, 128);
        assert_eq!((pixels[0], pixels[31], pixels[32], pixels[32 * 128]), (0xffffff, 0xffffff, 0, 0));
        let middle = 64 * 128 + 64;
        assert_eq!((pixels[middle], pixels[middle + 1], pixels[middle + 128]), (0xffffff, 0, 0));
    }
}
