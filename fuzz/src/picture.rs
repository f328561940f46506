//! PNG files.

use std::io::Cursor;
use std::path::Path;

use dirql::class::display::Canvas;

use crate::image::Image;

/// Pixels of which nothing is learnt that fewer do not tell; beyond what the command takes they are tried again.
const DULL: std::ops::RangeInclusive<u64> = (1 << 18) + 1..=1 << 26;

pub fn run(bytes: &[u8]) {
    let side = |at: usize| Some(u64::from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)));
    if side(16).zip(side(20)).is_some_and(|(width, height)| DULL.contains(&(width * height))) {
        return;
    }
    let Ok(image) = Image::read(Cursor::new(bytes), Path::new("a.png")) else { return };
    assert_eq!((Some(image.width().into()), Some(image.height().into())), (side(16), side(20)));
    let mut pixels = vec![u32::MAX; 40 * 30];
    image.draw(&mut Canvas::new(&mut pixels, 40));
    assert!(pixels.iter().all(|pixel| pixel >> 24 == 0), "every pixel is drawn");
}
