//! `dirql display BDF pattern` and `show`: a picture that stays.

use std::time::{Duration, Instant};

use dirql::class::display::{Display, Mode};
use dirql::{Address, Result};
use serde_json::{Value, json};

use super::screen::{Screen, check_room};
use super::start::{Start, on};
use crate::args::Place;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::picture::Picture;
use crate::signals::{SLICE, Stop};

/// Shows the picture until the user ends it, the time is up, or the host wants the device.
pub fn show(
    start: &Start<'_>,
    place: &Place,
    picture: &Picture,
    seconds: Option<Duration>,
    output: &mut Output,
) -> Outcome {
    let mut running = start.start()?;
    let shown = Show { place, picture, seconds, stop: start.stop }.on(&mut running, output);
    let document = running.finish(shown)?;
    if output.is_json() { output.document(&document) } else { Ok(()) }
}

/// What is shown, where, and how long.
struct Show<'a> {
    place: &'a Place,
    picture: &'a Picture,
    seconds: Option<Duration>,
    stop: &'a Stop,
}

impl Show<'_> {
    /// Shows it on a device that runs; gives what was shown, as a document.
    fn on(&self, running: &mut Running, output: &Output) -> Outcome<Value> {
        let (address, driver) = (running.address, running.driver_name);
        let started = Instant::now();
        let (screen, pictures) =
            on(address, running.display().and_then(|display| self.stay(display, address, output)))?;
        Ok(json!({
            "address": address,
            "driver": driver,
            "picture": self.picture.name(),
            "connector": screen.connector,
            "mode": screen.mode,
            "pictures": pictures,
            "seconds": started.elapsed().as_secs_f64(),
            "vectors": running.vectors(),
        }))
    }

    /// Shows it, anew where the monitor prefers another mode; gives what was shown at the end, and how often it was drawn.
    fn stay(&self, display: &mut dyn Display, address: Address, output: &Output) -> Result<(Screen, u64)> {
        let tell = |screen: &Screen| {
            let (name, connector) = (self.picture.name(), screen.connector);
            let Mode { width, height, .. } = screen.mode;
            if !output.is_json() {
                output.note(format_args!(
                    "showing {name} at {width}x{height} on connector {connector} of {address}; Ctrl-C ends it"
                ));
            }
        };
        let end = self.seconds.map(|seconds| Instant::now() + seconds);
        let connectors = display.connectors()?;
        let connector = self.place.connector(&connectors)?;
        let mode = self.place.mode(connector)?;
        check_room(self.picture, mode, connector)?;
        let mut screen = Screen::show(display, connector.number, mode, self.picture, self.stop)?;
        let mut pictures = 1;
        tell(&screen);
        while !self.stop.is_wanted() {
            let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            if !display.wait_for_change(left.min(SLICE))? {
                continue;
            }
            let Some(mode) = self.preferred(display, screen.connector)? else { continue };
            if (mode.width, mode.height) == (screen.mode.width, screen.mode.height) {
                continue;
            }
            if !self.picture.fits(mode.width, mode.height) {
                output.note(format_args!(
                    "the monitor prefers {}x{} now, which has no room for it",
                    mode.width, mode.height
                ));
                continue;
            }
            screen = screen.change(display, mode, self.picture, self.stop)?;
            pictures += 1;
            tell(&screen);
        }
        Ok((screen, pictures))
    }

    /// The mode that the monitor prefers now; `None` where it says nothing, or the user has named one.
    fn preferred(&self, display: &mut dyn Display, number: u32) -> Result<Option<Mode>> {
        let connectors = display.connectors()?;
        let connector = connectors.iter().find(|connector| connector.number == number);
        Ok(connector
            .and_then(|connector| connector.preferred())
            .copied()
            .filter(|_| self.place.mode.is_none()))
    }
}

#[cfg(test)]
mod tests;
