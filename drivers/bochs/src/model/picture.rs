//! What is to be seen.

/// What is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Line after line, each 0x00RRGGBB.
    pub pixels: Vec<u32>,
}
