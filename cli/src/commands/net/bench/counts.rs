//! What the loops count.

/// What was moved, and how often the device was told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub bytes: u64,
    pub doorbells: u64,
}

impl Counts {
    /// The sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
            doorbells: self.doorbells + other.doorbells,
        }
    }
}
