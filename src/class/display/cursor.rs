//! The cursor.

/// Pixels of a cursor's lines, and its lines.
pub const CURSOR_SIZE: u32 = 64;

/// A cursor's picture, and which of its pixels points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Line after line, each 0xAARRGGBB: the format ARGB8888.
    pub pixels: Box<[u32; (CURSOR_SIZE * CURSOR_SIZE) as usize]>,
    /// The hot spot's pixels from the left.
    pub hot_x: u32,
    /// The hot spot's lines from above.
    pub hot_y: u32,
}
