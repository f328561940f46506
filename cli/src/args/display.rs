//! Using a display.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dirql_patterns::Pattern;

use super::{Mode, Target, seconds};

/// `display`.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "ACTION",
    subcommand_help_heading = "Actions",
    after_help = "\
Examples:
  dirql display 00:05.0 modes
  dirql display 00:05.0 pattern bars --seconds 5
  dirql display 00:05.0 bench --help"
)]
pub struct Display {
    #[command(flatten)]
    pub target: Target,

    /// How its interrupts arrive; else in the best way that it has
    #[arg(long, global = true, value_enum, value_name = "HOW", help_heading = "Starting the device")]
    pub interrupts: Option<Mode>,

    /// What to do with it.
    #[command(subcommand)]
    pub action: DisplayAction,
}

/// What a display can be used for.
#[derive(Debug, Subcommand)]
pub enum DisplayAction {
    /// List the connectors, their monitors and modes
    #[command(after_help = "\
Examples:
  dirql display 00:05.0 modes
  dirql display 00:05.0 modes --json | jq '.connectors[0].preferred'")]
    Modes,
    /// Show a test pattern, until Ctrl-C
    Pattern(ShowPattern),
    /// Show a PNG image, until Ctrl-C
    Show(ShowImage),
    /// Show black, and leave the screen so
    #[command(after_help = "\
Examples:
  dirql display 00:05.0 clear
  dirql display 00:05.0 clear --connector 1 --mode 1024x768

What stays is the device's affair: bochs-display and VGA are black from then on,
a virtio-gpu is let go of as it was found, and shows nothing at all.")]
    Clear(Place),
    /// Measure page flips, and how long their fences take
    Bench(FlipBench),
}

/// Where something is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The connector, as modes numbers them; else the first with a monitor
    #[arg(long, value_name = "N")]
    pub connector: Option<u32>,

    /// The mode's size; else what the monitor prefers, also when that changes
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub mode: Option<Size>,
}

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(['x', 'X']).and_then(|(width, height)| {
            Some(Self { width: width.parse().ok()?, height: height.parse().ok()? })
        });
        parts.filter(|size| size.width > 0 && size.height > 0).ok_or("a size is needed, as in 1024x768")
    }
}

/// `display pattern`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql display 00:05.0 pattern
  dirql display 00:05.0 pattern grid --mode 1280x720
  dirql display 00:05.0 pattern noise --seed 7 --seconds 10

It is drawn anew when the monitor prefers another mode, unless --mode names one.
The pixels of noise are, line after line, the lower 24 bits of SplitMix64.")]
pub struct ShowPattern {
    /// Which one
    #[arg(value_enum, value_name = "NAME", default_value = "aurora")]
    pub name: PatternName,

    /// What the noise begins with [default: 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    #[command(flatten)]
    pub place: Place,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,
}

/// The patterns by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PatternName {
    /// Northern lights over a lake: a picture to look at
    Aurora,
    /// Colour bars, after SMPTE EG 1
    Bars,
    /// Ramps of red, green, blue and grey
    Gradient,
    /// Lines of one pixel, circles that must be round, a border of one pixel
    Grid,
    /// Black and white pixels in turns, and fields of them
    Checker,
    /// Every pixel from a seed, for a test to recompute
    Noise,
}

impl PatternName {
    /// The pattern; of noise, that of this seed.
    pub fn pattern(self, seed: u64) -> Pattern {
        match self {
            Self::Aurora => Pattern::Aurora,
            Self::Bars => Pattern::Bars,
            Self::Gradient => Pattern::Gradient,
            Self::Grid => Pattern::Grid,
            Self::Checker => Pattern::Checker,
            Self::Noise => Pattern::Noise { seed },
        }
    }
}

/// `display show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql display 00:05.0 show photo.png
  convert photo.jpg -resize 1024x768 png:- | dirql display 00:05.0 show -

An image of the mode's size is shown pixel for pixel, a smaller one in the
middle of black. What is transparent in it is over black, and 16 bits a colour
are rounded to 8. The file's colour profile is not looked at.")]
pub struct ShowImage {
    /// A PNG file; - is stdin
    pub file: PathBuf,

    #[command(flatten)]
    pub place: Place,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,
}

/// `display bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  dirql display 00:05.0 bench --seconds 10 --json

Two framebuffers are flipped in turns: FLIPS are with one on its way while the
other waits for its fence; FENCE is how long one takes that is alone, from the
flip to the fence. The whole is taken over by the device, and then 64x64 of it.
The time is shared by the four.

Where a device reads the pixels from memory, two pictures count against
ulimit -l (dirql explain E9): 6 MiB at 1024x768.")]
pub struct FlipBench {
    #[command(flatten)]
    pub place: Place,

    /// How long to measure, in seconds
    #[arg(long, value_name = "S", default_value = "8", value_parser = seconds)]
    pub seconds: Duration,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(words: &str) -> Result<Display, clap::Error> {
        let line = format!("dirql display 00:05.0 {words}");
        match Cli::try_parse_from(line.split_whitespace())?.command {
            Command::Display(display) => Ok(display),
            command => panic!("{command:?}"),
        }
    }

    #[test]
    fn reads_what_is_typed() {
        let display = parse("pattern noise --seed 7 --connector 1 --mode 800x600 --interrupts intx").unwrap();
        assert_eq!(display.interrupts, Some(Mode::Intx));
        let DisplayAction::Pattern(shown) = display.action else { panic!("{:?}", display.action) };
        assert_eq!(shown.name.pattern(7), Pattern::Noise { seed: 7 });
        assert_eq!((shown.place.connector, shown.seed), (Some(1), Some(7)));
        assert_eq!(shown.place.mode, Some(Size { width: 800, height: 600 }));
        let DisplayAction::Pattern(shown) = parse("pattern").unwrap().action else { panic!() };
        assert_eq!((shown.name, shown.seed, shown.place.mode), (PatternName::Aurora, None, None));
        for bad in [
            "",
            "modes --mode 800x600",
            "show",
            "pattern plaid",
            "pattern --mode 800",
            "pattern --mode 0x600",
            "pattern --mode 800x-1",
            "clear --connector x",
            "bench --seconds -1",
        ] {
            assert_eq!(parse(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_pattern_has_one_name() {
        for name in PatternName::value_variants() {
            let value = name.to_possible_value().unwrap();
            assert_eq!(value.get_name(), name.pattern(0).name());
        }
    }
}
