//! Trying a display. What would be seen is tried only while nothing is shown.

use dirql::class::display::{Display as _, Framebuffer, Mode, Rectangle};
use dirql::region::Register;
use dirql::selftest::Check;
use dirql::{Error, ErrorKind, Result};

use crate::limits::PIXEL;
use crate::register::Y_OFFSET;
use crate::{Bochs, monitor};

/// The least that each device can show.
const SIZE: u32 = 64;
const FLIPS: u32 = 4;

/// Tries the EDID, the registers, the video memory, and page flips.
pub fn run(display: &mut Bochs) -> Vec<Check> {
    let mut checks = vec![edid(display)];
    match display.scanout() {
        Ok(None) => {
            let registers = display.adapter.high(|dispi| dispi.try_registers());
            let written = registers.map(|()| "three patterns read back".into());
            checks.push(Check::of("register write and read", written));
            checks.push(Check::of("video memory and page flip", flips(display)));
        }
        Ok(Some(_)) => checks.push(Check::absent("page flip", "something is shown")),
        Err(error) => checks.push(Check::of("page flip", Err(error))),
    }
    checks
}

/// A monitor that says nothing is no failure of the device.
fn edid(display: &Bochs) -> Check {
    match display.adapter.low(monitor::edid) {
        Ok(None) => Check::absent("EDID", "the device has none"),
        Ok(Some(edid)) => Check::of("EDID", Ok(format!("{}, {} modes", edid.manufacturer, edid.modes.len()))),
        Err(error) => Check::of("EDID", Err(error)),
    }
}

/// Flips to and fro between the two pages of a small framebuffer, and reads from the device what is shown.
fn flips(display: &mut Bochs) -> Result<String> {
    let framebuffer = display.create_framebuffer(SIZE, SIZE)?;
    let flipped = flip(display, &framebuffer);
    let disabled = display.disable(0);
    let destroyed = display.destroy_framebuffer(framebuffer);
    flipped.and_then(|seen| disabled.and(destroyed).map(|()| seen))
}

fn flip(display: &mut Bochs, framebuffer: &Framebuffer) -> Result<String> {
    let mut last = None;
    for round in 0..FLIPS {
        let mut canvas = display.draw(framebuffer)?;
        canvas.pixels().iter_mut().zip(0..).for_each(|(pixel, index)| *pixel = colour(index, round));
        match round {
            0 => display.set_mode(0, &Mode { width: SIZE, height: SIZE, refresh: 0 }, framebuffer)?,
            _ => display.page_flip(0, framebuffer, &[Rectangle::whole(SIZE, SIZE)])?,
        };
        let line = display.adapter.low(|registers| registers.read(Y_OFFSET))?;
        if last.replace(line) == Some(line) {
            return Err(fail(format!("register {Y_OFFSET} reads {line} before flip {round} and after it")));
        }
        for (index, at) in (0..SIZE * SIZE).zip((u64::from(line) * u64::from(SIZE) * PIXEL..).step_by(4)) {
            let (read, written) =
                (display.memory.read(Register::<u32>::new(at, "video memory"))?, colour(index, round));
            if read != written {
                return Err(fail(format!(
                    "{read:#x} at {at:#x} of the video memory, where {written:#x} was written"
                )));
            }
        }
    }
    Ok(format!("{FLIPS} pictures of {SIZE}x{SIZE}, read back from where they are shown"))
}

/// What pixel `index` is in a round: another one in each.
fn colour(index: u32, round: u32) -> u32 {
    (index + round + 1).wrapping_mul(0x9e37_79b9) >> 8
}

fn fail(why: String) -> Error {
    Error::new(ErrorKind::Device, "selftest").why(why)
}
