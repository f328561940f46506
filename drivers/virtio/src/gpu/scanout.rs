//! What a scanout shows, as the program has it.

use super::resource::Resource;

/// A scanout.
#[derive(Debug, Default)]
pub(super) struct Scanout {
    /// The size that was set.
    pub mode: Option<(u32, u32)>,
    /// The resource that it shows, and the flip since which it does.
    shown: Option<(u32, u64)>,
    /// The cursor's picture, once there was one.
    pub cursor: Option<Resource>,
    /// The cursor is to be seen, with this hot spot.
    pub pointing: Option<(u32, u32)>,
    /// Where the hot spot is.
    pub position: (u32, u32),
}

impl Scanout {
    pub fn is_showing(&self, resource: u32) -> bool {
        self.shown.is_some_and(|(shown, _)| shown == resource)
    }

    /// The flip since which it shows a resource; `None` where it shows another.
    pub fn since(&self, resource: u32) -> Option<u64> {
        self.shown.filter(|&(shown, _)| shown == resource).map(|(_, since)| since)
    }

    /// A flip was given; `changes` where the scanout shows another resource by it.
    pub fn flipped(&mut self, resource: u32, fence: u64, changes: bool) {
        if changes {
            self.shown = Some((resource, fence));
        }
    }

    pub fn disable(&mut self) {
        (self.mode, self.shown) = (None, None);
    }

    pub fn take_cursor(&mut self) -> Option<Resource> {
        self.cursor.take()
    }

    /// Where the cursor's upper left corner is: left of the screen, and above it, it is a negative number.
    pub fn corner(&self) -> (u32, u32) {
        let (hot_x, hot_y) = self.pointing.unwrap_or_default();
        (self.position.0.wrapping_sub(hot_x), self.position.1.wrapping_sub(hot_y))
    }
}
