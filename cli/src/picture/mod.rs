//! What a display shows: a pattern, an image, or black.

mod image;

use dirql::class::display::Canvas;
use dirql_patterns::Pattern;

pub use self::image::Image;

/// A picture for a whole mode.
#[derive(Debug)]
pub enum Picture {
    /// A test pattern, of any size.
    Pattern(Pattern),
    /// An image, in the middle of black.
    Image(Image),
    /// Nothing but black.
    Black,
}

impl Picture {
    /// What to call it.
    pub fn name(&self) -> String {
        match self {
            Self::Pattern(Pattern::Noise { seed }) => format!("noise of seed {seed}"),
            Self::Pattern(pattern) => pattern.name().into(),
            Self::Image(image) => image.name().into(),
            Self::Black => "black".into(),
        }
    }

    /// Whether a mode of this size has room for it.
    pub fn fits(&self, width: u32, height: u32) -> bool {
        match self {
            Self::Image(image) => image.width() <= width && image.height() <= height,
            Self::Pattern(_) | Self::Black => true,
        }
    }

    /// Draws it. What of it has no room is cut off.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        match self {
            Self::Pattern(pattern) => {
                let width = canvas.width() as usize;
                pattern.draw(canvas.pixels(), width);
            }
            Self::Image(image) => image.draw(canvas),
            Self::Black => canvas.pixels().fill(0),
        }
    }
}
