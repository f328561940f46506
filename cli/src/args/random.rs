//! Reading entropy.

use std::path::PathBuf;

use clap::Args;

use super::{Mode, Target};

/// `random`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql random 00:06.0 --bytes 32 -o seed
  dirql random 00:06.0 | head -c 16 | xxd

Without --bytes it goes on until Ctrl-C, or until nobody reads any more.")]
pub struct Random {
    #[command(flatten)]
    pub target: Target,

    /// How many bytes; else without end
    #[arg(long, value_name = "N")]
    pub bytes: Option<u64>,

    /// The file to write; else stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write to a terminal too
    #[arg(long)]
    pub force: bool,

    /// How its interrupts arrive; else in the best way that it has
    #[arg(long, value_enum, value_name = "HOW")]
    pub interrupts: Option<Mode>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn reads_what_is_typed() {
        let words = ["dirql", "random", "00:06.0", "--bytes", "32", "-o", "seed"];
        let Command::Random(random) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        assert_eq!((random.bytes, random.output), (Some(32), Some(PathBuf::from("seed"))));
        for bad in [&["random"][..], &["random", "00:06.0", "--bytes", "-1"], &["random", "00:06.0", "seed"]]
        {
            let words = [&["dirql"], bad].concat();
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
