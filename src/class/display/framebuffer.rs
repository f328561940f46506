//! What is drawn into, and when the device is done with it.

/// A framebuffer of a display, to be given back by [`super::Display::destroy_framebuffer`]. The display has its memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Framebuffer {
    id: u32,
    width: u32,
    height: u32,
}

impl Framebuffer {
    /// The name of a framebuffer, by the driver that has it.
    pub const fn new(id: u32, width: u32, height: u32) -> Self {
        Self { id, width, height }
    }

    /// What its driver knows it by.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Pixels of a line.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Lines.
    pub const fn height(&self) -> u32 {
        self.height
    }
}

/// Passes once the device has taken over what a framebuffer shows. Those of a display pass in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);
