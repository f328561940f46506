//! A picture on a connector.

use dirql::class::display::{Connector, Display, Framebuffer, Mode};
use dirql::{Code, Error, ErrorKind, Result};

use super::fence::pass;
use crate::picture::Picture;
use crate::signals::Stop;

/// A picture that is shown.
#[derive(Debug)]
pub struct Screen {
    /// Where.
    pub connector: u32,
    /// In which mode.
    pub mode: Mode,
    framebuffer: Framebuffer,
}

impl Screen {
    /// Draws the picture, and shows it once the device has it.
    ///
    /// # Errors
    /// Where there is no memory for it, or the device fails.
    pub fn show(
        display: &mut dyn Display,
        connector: u32,
        mode: Mode,
        picture: &Picture,
        stop: &Stop,
    ) -> Result<Self> {
        let framebuffer = display.create_framebuffer(mode.width, mode.height)?;
        picture.draw(&mut display.draw(&framebuffer)?);
        let fence = display.set_mode(connector, &mode, &framebuffer)?;
        pass(display, fence, stop)?;
        Ok(Self { connector, mode, framebuffer })
    }

    /// Shows the picture in another mode instead. Where there is no memory for two of them, the screen is dark meanwhile.
    ///
    /// # Errors
    /// As [`Screen::show`].
    pub fn change(
        self,
        display: &mut dyn Display,
        mode: Mode,
        picture: &Picture,
        stop: &Stop,
    ) -> Result<Self> {
        match Self::show(display, self.connector, mode, picture, stop) {
            Ok(screen) => {
                display.destroy_framebuffer(self.framebuffer)?;
                Ok(screen)
            }
            Err(error) if error.catalogue_code() == Some(Code::E9) => {
                let connector = self.hide(display)?;
                Self::show(display, connector, mode, picture, stop)
            }
            Err(error) => Err(error),
        }
    }

    /// Shows nothing on the connector, which it gives.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn hide(self, display: &mut dyn Display) -> Result<u32> {
        display.disable(self.connector)?;
        display.destroy_framebuffer(self.framebuffer)?;
        Ok(self.connector)
    }
}

/// Fails where the mode has no room for the picture, and says which one has.
pub fn check_room(picture: &Picture, mode: Mode, connector: &Connector) -> Result<()> {
    let Picture::Image(image) = picture else { return Ok(()) };
    if picture.fits(mode.width, mode.height) {
        return Ok(());
    }
    let (width, height) = (image.width(), image.height());
    let why = format!("it is {width}x{height}, and the mode {}x{}", mode.width, mode.height);
    let error = Error::new(ErrorKind::InvalidArgument, "showing of the image").path(image.name()).why(why);
    let room = connector.modes.iter().filter(|mode| picture.fits(mode.width, mode.height));
    let smallest = room.min_by_key(|mode| u64::from(mode.width) * u64::from(mode.height));
    Err(match smallest {
        Some(mode) => error.fix(format!("--mode {}x{}", mode.width, mode.height)),
        None => error.fix(format!("convert FILE.png -resize {}x{} FILE.png", mode.width, mode.height)),
    })
}
