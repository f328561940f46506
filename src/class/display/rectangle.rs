//! Parts of a framebuffer.

/// A rectangle of pixels, from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Rectangle {
    /// Pixels from the left.
    pub x: u32,
    /// Lines from above.
    pub y: u32,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl Rectangle {
    /// All of something of this size.
    pub const fn whole(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// What of it lies within something of this size; `None` where nothing does.
    ///
    /// ```
    /// use dirql::class::display::Rectangle;
    /// let rectangle = Rectangle { x: 700, y: 0, width: 200, height: 10 };
    /// assert_eq!(rectangle.within(800, 600), Some(Rectangle { width: 100, ..rectangle }));
    /// assert_eq!(rectangle.within(640, 480), None);
    /// ```
    #[must_use]
    pub fn within(self, width: u32, height: u32) -> Option<Self> {
        let Self { x, y, .. } = self;
        let width = self.width.min(width.checked_sub(x)?);
        let height = self.height.min(height.checked_sub(y)?);
        (width > 0 && height > 0).then_some(Self { x, y, width, height })
    }

    /// The smallest rectangle that holds both. What would end beyond the last pixel that can be counted ends there.
    ///
    /// ```
    /// use dirql::class::display::Rectangle;
    /// let dot = |x, y| Rectangle { x, y, width: 1, height: 1 };
    /// assert_eq!(dot(9, 2).join(dot(4, 7)), Rectangle { x: 4, y: 2, width: 6, height: 6 });
    /// ```
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = self.x.saturating_add(self.width).max(other.x.saturating_add(other.width));
        let bottom = self.y.saturating_add(self.height).max(other.y.saturating_add(other.height));
        Self { x, y, width: right - x, height: bottom - y }
    }
}
