//! `dirql display BDF …`: a display put to use.

mod bench;
mod clear;
#[cfg(test)]
pub mod fake;
mod fence;
mod modes;
mod place;
mod screen;
mod show;
mod start;

use dirql::driver::Settings;
use dirql::host::Host;
use dirql::{Error, ErrorKind, Result};
use dirql_patterns::Pattern;

pub use self::modes::line as connector_line;
use self::start::Start;
use crate::args::{self, DisplayAction};
use crate::output::{Outcome, Output};
use crate::picture::{Image, Picture};
use crate::signals::Stop;

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
