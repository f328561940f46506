//! Where things are.

/// Where the water begins, of the height.
pub const SHORE: f32 = 0.775;

/// The size of the whole picture. Lengths in it are in heights.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Pixels of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

impl Place {
    /// How far from the middle a column is.
    pub fn across(self, x: usize) -> f32 {
        (x as f32 + 0.5 - self.width as f32 / 2.0) / self.height as f32
    }

    /// How far from above a line is.
    pub fn down(self, y: usize) -> f32 {
        (y as f32 + 0.5) / self.height as f32
    }
}
