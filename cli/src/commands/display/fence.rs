//! Waiting for the device.

use std::time::{Duration, Instant};

use dirql::class::display::{Display, Fence};
use dirql::{Error, ErrorKind, Result};

use crate::signals::{SLICE, Stop};

/// How long a device may take for what it was told to show.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Waits until a fence has passed; until then the host may ask for its device, but a user who wants an end waits as well.
///
/// # Errors
/// `Device` where it does not pass in time; where the device fails.
pub fn pass(display: &mut dyn Display, fence: Fence, stop: &Stop) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !display.wait(fence, SLICE)? {
        if stop.is_device_wanted() {
            break;
        }
        if Instant::now() >= deadline {
            let why =
                format!("it did not say within {} s that it has taken over the picture", PATIENCE.as_secs());
            return Err(Error::new(ErrorKind::Device, "showing of a picture").why(why));
        }
    }
    Ok(())
}
