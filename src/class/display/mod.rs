//! Displays: connectors with modes, framebuffers, page flips with fences, damage, a cursor.
//!
//! Pixels are drawn into a [`Framebuffer`], and shown by [`Display::set_mode`] first and [`Display::page_flip`] from then on.
//! Each gives a [`Fence`], which passes once the device has taken over what was drawn: then the framebuffer may be drawn
//! into again. Names are those of Linux's mode setting (DRM/KMS).

mod canvas;
mod connector;
mod cursor;
mod edid;
mod framebuffer;
mod observer;
mod rectangle;

use std::time::Duration;

pub use canvas::Canvas;
pub use connector::{Connector, Mode};
pub use cursor::{CURSOR_SIZE, Cursor};
pub use edid::Edid;
pub use framebuffer::{Fence, Framebuffer};
pub use observer::{DisplayCounters, DisplayObserver, DisplayReport, FenceCounters};
pub use rectangle::Rectangle;

use crate::Result;

/// A display adapter.
pub trait Display: Send {
    /// The connectors, as the device last reported them. Their numbers are 0 and up.
    ///
    /// # Errors
    /// Where the device fails.
    fn connectors(&mut self) -> Result<Vec<Connector>>;

    /// Waits until the device has reported other connectors or modes since the last call of [`Display::connectors`]. False
    /// where `timeout` went by, as it always does where the device reports no changes.
    ///
    /// # Errors
    /// Where the device fails.
    fn wait_for_change(&mut self, timeout: Duration) -> Result<bool>;

    /// A black framebuffer of so many pixels.
    ///
    /// # Errors
    /// `InvalidArgument` for a size of 0 or beyond what the device can show; E9 to E10, or `Precondition`, where memory is
    /// not to be had; where the device fails.
    fn create_framebuffer(&mut self, width: u32, height: u32) -> Result<Framebuffer>;

    /// Gives a framebuffer's memory back, once the device reads it no more.
    ///
    /// # Errors
    /// `Busy` while it is shown; where the device fails. Its memory is then kept until the display is stopped.
    fn destroy_framebuffer(&mut self, framebuffer: Framebuffer) -> Result<()>;

    /// A framebuffer's pixels.
    ///
    /// # Errors
    /// `Busy` while a fence of it has not passed: the device may still read it. `NotFound` for one of another display.
    fn draw(&mut self, framebuffer: &Framebuffer) -> Result<Canvas<'_>>;

    /// Shows the whole of a framebuffer, of the mode's size, on a connector.
    ///
    /// # Errors
    /// `InvalidArgument` where the sizes differ; `NotFound` for a connector that there is not; `Busy` as
    /// [`Display::draw`]; where the device fails.
    fn set_mode(&mut self, connector: u32, mode: &Mode, framebuffer: &Framebuffer) -> Result<Fence>;

    /// Shows a framebuffer of the mode's size on a connector. `damage` is what was drawn into it since it was last shown:
    /// the device takes over nothing else. What lies outside of the framebuffer is cut off.
    ///
    /// # Errors
    /// `Precondition` before [`Display::set_mode`]; else as there.
    fn page_flip(&mut self, connector: u32, framebuffer: &Framebuffer, damage: &[Rectangle])
    -> Result<Fence>;

    /// Waits until a fence has passed; it sleeps meanwhile. False where `timeout` went by.
    ///
    /// # Errors
    /// Where the device fails, so also where it refuses what the fence is for; `NotFound` for a fence that was not given.
    fn wait(&mut self, fence: Fence, timeout: Duration) -> Result<bool>;

    /// The last fence that has passed: all before it have, too. `None` before the first.
    ///
    /// # Errors
    /// As [`Display::wait`].
    fn passed(&mut self) -> Result<Option<Fence>>;

    /// Shows nothing on a connector any more. Its framebuffer stays.
    ///
    /// # Errors
    /// `NotFound` for a connector that there is not; where the device fails.
    fn disable(&mut self, connector: u32) -> Result<()>;

    /// Shows a cursor on a connector, with its hot spot where [`Display::move_cursor`] says; or hides it.
    ///
    /// # Errors
    /// `Precondition` where the device has no cursor; `InvalidArgument` where the hot spot lies outside of it; `NotFound`
    /// for a connector that there is not; where the device fails.
    fn set_cursor(&mut self, connector: u32, cursor: Option<&Cursor>) -> Result<()>;

    /// Moves the cursor's hot spot, in pixels of the mode.
    ///
    /// # Errors
    /// As [`Display::set_cursor`].
    fn move_cursor(&mut self, connector: u32, x: u32, y: u32) -> Result<()>;

    /// A way to look at it from outside; `None` of a driver that offers none.
    fn meters(&self) -> Option<DisplayObserver> {
        None
    }
}
