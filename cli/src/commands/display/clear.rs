//! `dirql display BDF clear`: black.

use serde_json::json;

use super::screen::Screen;
use super::start::{Start, on};
use crate::args::Place;
use crate::output::{Outcome, Output};
use crate::picture::Picture;

/// Shows black, and lets go of the device.
pub fn clear(start: &Start<'_>, place: &Place, output: &mut Output) -> Outcome {
    let mut running = start.start()?;
    let address = running.address;
    let cleared = on(
        address,
        running.display().and_then(|display| {
            let connectors = display.connectors()?;
            let connector = place.connector(&connectors)?;
            let mode = place.mode(connector)?;
            Screen::show(display, connector.number, mode, &Picture::Black, start.stop)
        }),
    );
    let screen = running.finish(cleared.map_err(Into::into))?;
    if output.is_json() {
        return output
            .document(&json!({ "address": address, "connector": screen.connector, "mode": screen.mode }));
    }
    output.note(format_args!("connector {} of {address} is black", screen.connector));
    Ok(())
}
