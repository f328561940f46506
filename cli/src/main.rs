//! The command `dirql`: takes PCI devices from the kernel, runs them, and gives them back.
//!
//! In reading order: [`args`] says what can be typed, and [`usage`] what is answered where that cannot be read;
//! [`commands`] has a file for each command, and [`output`] is the one way to stdout. [`device`] finds the driver of a
//! device and starts it, [`confine`] gives up what is not needed with it, [`stack`] puts TCP/IP on a network device,
//! [`pcap`] reads and writes captures, [`picture`] is what a display shows.

#![forbid(unsafe_code)]

mod args;
mod chart;
mod commands;
mod confine;
mod device;
mod dump;
mod output;
mod pcap;
mod picture;
mod signals;
mod stack;
mod streams;
mod table;
mod usage;
mod vectors;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;
use env_logger::WriteStyle;

use crate::args::Cli;
use crate::output::{End, Outcome, Output};
use crate::streams::Stream;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error),
    };
    start_log(&cli);
    let mut output = Output::new(cli.json);
    let ended = commands::dispatch(&cli.command, &mut output).and_then(|()| output.flush());
    end(ended, &output)
}

/// Says how it ended, and gives the exit code of that.
fn end(ended: Outcome, output: &Output) -> ExitCode {
    match ended {
        // Whoever read our output has had enough of it: that is no failure.
        Ok(()) | Err(End::Unread) => ExitCode::SUCCESS,
        Err(End::Failed(errors)) => {
            output.failures(&errors);
            errors.first().map_or(ExitCode::FAILURE, |error| ExitCode::from(error.kind().exit_code()))
        }
    }
}

/// Messages of the library go to stderr: failures always, more with each `-v`, or as `RUST_LOG` says.
fn start_log(cli: &Cli) {
    let verbose = cli.verbose;
    let level = match verbose {
        // With JSON, a failure is a document, and nothing else comes unasked.
        0 if cli.json => "off",
        0 => "error",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let environment = env_logger::Env::default().default_filter_or(level);
    let style = if Stream::stderr().colour { WriteStyle::Always } else { WriteStyle::Never };
    let mut builder = env_logger::Builder::from_env(environment);
    builder.write_style(style).format_timestamp(None).format_target(verbose > 1).init();
}
