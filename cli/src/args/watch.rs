//! Running a device, and looking at its vectors.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Start, Target, seconds};

/// `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql run 00:03.0
  dirql run 00:03.0 --seconds 10 --json | jq .vectors

COUNT is interrupts, RATE/s those of the last second, SPURIOUS those that found
nothing to do. HANDLER is how long the handler ran; SYNC counts routines that
were synchronized with it, and WAIT is how long they waited.")]
pub struct Run {
    #[command(flatten)]
    pub target: Target,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,

    #[command(flatten)]
    pub start: Start,
}

/// `irqs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql irqs 00:03.0 --watch
  dirql irqs 00:03.0 --seconds 5 --json | jq '.vectors[].handler_ns'
  dirql irqs 00:03.0 --histogram latency.svg

A program that publishes its vectors, as dirql run and dirql net do, is asked,
if it is yours or you are root; else the device is started as by dirql run.

COALESCED interrupts came together with others, in one call of the handler.
WAIT is for the vector's lock, HOLD how long a section kept it, OVER how often
that was longer than its budget. With --histogram the device is not started:
its vectors are raised by the kernel, and nothing else may use it.")]
pub struct Irqs {
    #[command(flatten)]
    pub target: Target,

    /// Show the table again each second, until Ctrl-C
    #[arg(long)]
    pub watch: bool,

    /// Look for so many seconds; 1 unless --watch
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,

    /// Measure from each interrupt to its handler, and draw it
    #[arg(long, value_name = "FILE.svg", conflicts_with_all = ["watch", "seconds", "Start"])]
    pub histogram: Option<PathBuf>,

    /// How often each vector is raised for --histogram
    #[arg(long, value_name = "N", default_value = "10000", requires = "histogram",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,

    #[command(flatten)]
    pub start: Start,
}

/// `trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  dirql trace 00:03.0 -o trace.json --seconds 2

Open the file in ui.perfetto.dev: one track a thread. A program that publishes
its vectors, as dirql run and dirql net do, is asked to trace itself; else the
device is started as by dirql run. Ctrl-C ends the trace early.")]
pub struct Trace {
    #[command(flatten)]
    pub target: Target,

    /// Where to write Chrome's trace events as JSON; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// End after so many seconds
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub seconds: Duration,

    #[command(flatten)]
    pub start: Start,
}
