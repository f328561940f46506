//! What the cable says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// There is one.
    pub up: bool,
    /// In Mbit/s; 0 while it is down.
    pub speed: u32,
    /// Both ways at once.
    pub full_duplex: bool,
    /// How often it went up or down since the interface was started.
    pub changes: u64,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.up {
            return f.write_str("down");
        }
        write!(f, "up, {} Mbit/s, {} duplex", self.speed, if self.full_duplex { "full" } else { "half" })
    }
}
