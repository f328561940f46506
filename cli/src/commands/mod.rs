//! One file for each command.

mod bind;
mod completions;
mod config;
mod display;
mod doctor;
mod explain;
mod info;
mod irqs;
mod latency;
mod list;
mod man;
mod net;
mod random;
mod regs;
mod reset;
mod restore;
mod run;
mod selftest;
mod several;
mod stats;
#[cfg(test)]
mod texts;
mod trace;
mod udev;
mod unbind;
mod watched;

use dirql::host::Host;

use crate::args::Command;
use crate::output::{Outcome, Output};

/// Runs the command.
pub fn dispatch(command: &Command, output: &mut Output) -> Outcome {
    let host = Host::system();
    match command {
        Command::List => list::list(&host, output),
        Command::Info(target) => info::info(&host, target, output),
        Command::Doctor { device } => doctor::doctor(&host, device.as_deref(), output),
        Command::Bind(args) => bind::bind(&host, args, output),
        Command::Restore(args) => restore::restore(&host, args, output),
        Command::Unbind(args) => unbind::unbind(&host, args, output),
        Command::Run(args) => run::run(&host, args, output),
        Command::Irqs(args) => irqs::irqs(&host, args, output),
        Command::Stats(args) => stats::stats(&host, args, output),
        Command::Trace(args) => trace::trace(&host, args, output),
        Command::Selftest(target) => selftest::selftest(&host, target, output),
        Command::Regs(args) => regs::regs(&host, args, output),
        Command::Config(args) => config::config(&host, args, output),
        Command::Reset(target) => reset::reset(&host, target, output),
        Command::Net(args) => net::net(&host, args, output),
        Command::Display(args) => display::display(&host, args, output),
        Command::Random(args) => random::random(&host, args, output),
        Command::Udev { action } => udev::udev(&host, *action, output),
        Command::Completions { shell } => completions::completions(*shell, output),
        Command::Man { directory } => man::man(directory, output),
        Command::Explain { code } => explain::explain(code, output),
    }
}
