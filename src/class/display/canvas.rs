//! Pixels to draw.

use super::Rectangle;

/// A framebuffer's pixels, line after line, each 0x00RRGGBB: the format XRGB8888.
#[derive(Debug)]
pub struct Canvas<'a> {
    pixels: &'a mut [u32],
    width: usize,
}

impl<'a> Canvas<'a> {
    /// Pixels in lines of `width`. What is left over after the last whole line is no part of it.
    pub fn new(pixels: &'a mut [u32], width: u32) -> Self {
        let width = width as usize;
        let whole = pixels.len() - pixels.len().checked_rem(width).unwrap_or(pixels.len());
        Self { pixels: &mut pixels[..whole], width }
    }

    /// Pixels of a line.
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Lines.
    pub fn height(&self) -> u32 {
        self.pixels.len().checked_div(self.width).unwrap_or(0) as u32
    }

    /// All of them.
    pub fn pixels(&mut self) -> &mut [u32] {
        self.pixels
    }

    /// The lines of a part of it, from above.
    pub fn lines(&mut self, part: Rectangle) -> impl Iterator<Item = &mut [u32]> {
        let part = part.within(self.width(), self.height());
        let Rectangle { x, y, width, height } = part.unwrap_or(Rectangle::whole(0, 0));
        let columns = x as usize..(x + width) as usize;
        self.pixels
            .chunks_exact_mut(self.width.max(1))
            .skip(y as usize)
            .take(height as usize)
            .map(move |line| &mut line[columns.clone()])
    }

    /// One colour for a part of it.
    pub fn fill(&mut self, part: Rectangle, colour: u32) {
        self.lines(part).for_each(|line| line.fill(colour));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_filled_and_nothing_else() {
        let mut pixels = [0; 13];
        let mut canvas = Canvas::new(&mut pixels, 4);
        assert_eq!((canvas.width(), canvas.height()), (4, 3));
        canvas.fill(Rectangle { x: 2, y: 1, width: 9, height: 9 }, 7);
        canvas.fill(Rectangle { x: 4, y: 0, width: 1, height: 1 }, 8);
        assert_eq!(pixels, [0, 0, 0, 0, 0, 0, 7, 7, 0, 0, 7, 7, 0]);
    }

    #[test]
    fn without_a_width_there_are_no_lines() {
        let mut pixels = [0; 3];
        let mut canvas = Canvas::new(&mut pixels, 0);
        assert_eq!((canvas.width(), canvas.height()), (0, 0));
        canvas.fill(Rectangle::whole(9, 9), 1);
        assert_eq!(pixels, [0; 3]);
    }
}
