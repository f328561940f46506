//! `dirql display BDF …`: a display put to use.

mod bench;
mod clear;
#[cfg(test)]
pub mod fake;
mod modes;
mod place;
mod screen;
mod show;

use std::time::{Duration, Instant};

use dirql::class::display::{Display, Fence};
use dirql::driver::Settings;
use dirql::host::Host;
use dirql::{Address, Error, ErrorKind, Result};
use dirql_patterns::Pattern;

pub use self::modes::line as connector_line;
use crate::args::{self, DisplayAction};
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::picture::{Image, Picture};
use crate::signals::{SLICE, Stop};

/// How long a device may take for what it was told to show.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Does what is asked for with the device.
pub fn display(host: &Host, args: &args::Display, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let settings = Settings { interrupts: args.interrupts.map(Into::into), ..Settings::default() };
    let start = Start { host, device: &args.target.device, settings, stop: &stop };
    match &args.action {
        DisplayAction::Modes => modes::modes(&start, output),
        DisplayAction::Pattern(args) => {
            let picture = Picture::Pattern(pattern(args)?);
            show::show(&start, &args.place, &picture, args.seconds, output)
        }
        DisplayAction::Show(args) => {
            let picture = Picture::Image(Image::open(&args.file)?);
            show::show(&start, &args.place, &picture, args.seconds, output)
        }
        DisplayAction::Clear(place) => clear::clear(&start, place, output),
        DisplayAction::Bench(args) => bench::bench(&start, args, output),
    }
}

/// # Errors
/// `InvalidArgument` for a seed that nothing grows from.
fn pattern(args: &args::ShowPattern) -> Result<Pattern> {
    let pattern = args.name.pattern(args.seed.unwrap_or(1));
    if args.seed.is_some() && !matches!(pattern, Pattern::Noise { .. }) {
        let why = format!("--seed is for noise, and not for {}", pattern.name());
        return Err(Error::new(ErrorKind::InvalidArgument, "drawing of a pattern").why(why));
    }
    Ok(pattern)
}

/// A device that is not started yet.
struct Start<'a> {
    host: &'a Host,
    device: &'a str,
    settings: Settings,
    stop: &'a Stop,
}

impl Start<'_> {
    /// Starts it, and makes sure that it is a display.
    fn start(&self) -> Result<Running> {
        let mut running = Running::start(self.host, self.device, &self.settings, self.stop)?;
        running.display()?;
        Ok(running)
    }
}

/// Waits until a fence has passed; until then the host may ask for its device, but a user who wants an end waits as well.
///
/// # Errors
/// `Device` where it does not pass in time; where the device fails.
fn pass(display: &mut dyn Display, fence: Fence, stop: &Stop) -> Result<()> {
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

/// Names the device in an error.
fn on<T>(address: Address, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.on(address))
}
