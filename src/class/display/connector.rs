//! Where a monitor can be, and what it can show.

use std::fmt;

use serde::Serialize;

use super::Edid;

/// A connector: where a monitor is, or could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connector {
    /// By which it is named to the display.
    pub number: u32,
    /// A monitor is there.
    pub connected: bool,
    /// What it can show, the preferred one first. Others may work as well.
    pub modes: Vec<Mode>,
    /// What the monitor says of itself.
    pub edid: Option<Edid>,
}

/// A size, and how often a picture of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Mode {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Pictures in 1000 seconds; 0 where nobody says.
    pub refresh: u32,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        if self.refresh > 0 {
            let (whole, rest) = (self.refresh / 1000, self.refresh % 1000);
            write!(f, "@{whole}.{:02}", rest / 10)?;
        }
        Ok(())
    }
}

impl Connector {
    /// The mode that its monitor would rather have than any other.
    pub fn preferred(&self) -> Option<&Mode> {
        self.modes.first()
    }
}
