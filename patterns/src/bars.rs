//! Colours: bars and ramps.

/// 75 % of full.
const C: u32 = 0xc0;
/// White, yellow, cyan, green, magenta, red, blue, each at 75 %.
const BARS: [u32; 7] = [C << 16 | C << 8 | C, C << 16 | C << 8, C << 8 | C, C << 8, C << 16 | C, C << 16, C];
const BLACK: u32 = 0x10_1010;
const WHITE: u32 = 0xff_ffff;
/// -I and +Q, beside which white stands.
const I: u32 = 0x00_214c;
const Q: u32 = 0x32_006a;
/// Below black, black and above it: a screen that is set right shows the last one alone.
const PLUGE: [u32; 3] = [0x0b_0b0b, BLACK, 0x18_1818];

/// Seven bars over two thirds, the blue ones reversed over a twelfth, and the levels of black and white.
pub fn bars(pixels: &mut [u32], width: usize) {
    let height = pixels.len() / width;
    let (bars, reverse) = (height * 2 / 3, height * 3 / 4);
    for (y, line) in pixels.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            let column = x * 7 / width;
            *pixel = match y {
                _ if y < bars => BARS[column],
                _ if y < reverse && column % 2 == 1 => BLACK,
                _ if y < reverse => BARS[6 - column],
                _ => level(x, width),
            };
        }
    }
}

/// The lowest line: four fields over five bars, the steps of black in the sixth, black in the last.
fn level(x: usize, width: usize) -> u32 {
    let seventh = x * 7 / width;
    match seventh {
        0..5 => [I, WHITE, Q, BLACK][(x * 28 / 5 / width).min(3)],
        5 => PLUGE[(x * 21 / width) % 3],
        _ => BLACK,
    }
}

/// Four ramps: of n steps where there are fewer than 256 columns, of 256 else.
pub fn gradient(pixels: &mut [u32], width: usize) {
    let height = pixels.len() / width;
    for (y, line) in pixels.chunks_exact_mut(width).enumerate() {
        let factor = [0x01_0000, 0x00_0100, 0x00_0001, 0x01_0101][y * 4 / height];
        for (x, pixel) in line.iter_mut().enumerate() {
            *pixel = factor * (x * 255 / (width - 1).max(1)) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Pattern;

    #[test]
    fn bars_stand_where_they_should() {
        let mut pixels = vec![1; 700 * 120];
        Pattern::Bars.draw(&mut pixels, 700);
        let at = |x: usize, y: usize| pixels[y * 700 + x];
        assert_eq!([at(0, 0), at(99, 79), at(100, 0), at(699, 79)], [0xc0c0c0, 0xc0c0c0, 0xc0c000, 0xc0]);
        assert_eq!([at(0, 80), at(150, 89), at(650, 80)], [0xc0, 0x101010, 0xc0c0c0]);
        assert_eq!(
            [at(0, 90), at(130, 119), at(499, 90), at(699, 119)],
            [0x214c, 0xffffff, 0x101010, 0x101010]
        );
        assert_eq!([at(505, 90), at(550, 90), at(590, 90)], [0x0b0b0b, 0x101010, 0x181818]);
    }

    #[test]
    fn ramps_begin_dark_and_end_full() {
        let mut pixels = vec![1; 256 * 4];
        Pattern::Gradient.draw(&mut pixels, 256);
        let ends: Vec<_> = pixels.chunks(256).map(|line| (line[0], line[1], line[255])).collect();
        assert_eq!(ends, [(0, 0x10000, 0xff0000), (0, 0x100, 0xff00), (0, 1, 0xff), (0, 0x10101, 0xffffff)]);
    }
}
