//! What a connector shows, and the wait for it.

use std::time::Duration;

use dirql::class::display::{Display, Fence, Framebuffer, Mode};
use dirql::{Error, ErrorKind, Result};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A connector that shows something.
pub struct Head {
    pub mode: Mode,
    pub pair: [Framebuffer; 2],
    /// Which of the two is shown.
    pub shown: usize,
}

/// Waits until a fence has passed.
pub fn pass(display: &mut dyn Display, fence: Fence) -> Result<()> {
    match display.wait(fence, PATIENCE)? {
        true => Ok(()),
        false => Err(wrong(format!("{fence:?} has not passed"))),
    }
}

/// A step that cannot be taken.
pub fn wrong(why: String) -> Error {
    Error::new(ErrorKind::Failure, "taking of a step").why(why)
}
