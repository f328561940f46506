//! `cargo xtask demo | test | fuzz | deb | lab | kernel | bench`: everything that one does with this repository, set-up included.
#![forbid(unsafe_code)]

mod asan;
mod cargo;
mod deb;
mod demo;
mod fuzz;
mod lab;
mod models;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Everything that one does with this repository. Each command says what it installs before it does.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch drivers in userspace: an e1000 pings a network outside its virtual machine, a GPU shows a picture
    Demo,
    /// Check everything: format, lints, documentation, and the tests without and with virtual machines
    Test {
        /// Only these steps
        steps: Vec<test::Step>,
        /// For the test programs, so a filter: `cargo xtask test vm -- refusals`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Feed every parser with what it should not be fed, and look how far that gets
    Fuzz(fuzz::Options),
    /// Make the Debian package: the command, its manual, completions
    Deb,
    /// A shell in a virtual machine with an e1000 (00:03.0) and an edu (00:04.0)
    Lab {
        /// Whose shell: root, demo or other
        #[arg(long, default_value = "root", value_parser = ["root", "demo", "other"])]
        user: String,
        /// More devices in QEMU's words: `cargo xtask lab -- pci-testdev,addr=05.0`
        #[arg(last = true)]
        devices: Vec<String>,
    },
    /// Only fetch the guest's kernel
    Kernel,
    /// Measure
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// Network drivers beside those of DPDK and of the kernel, in one virtual machine; an hour unless told otherwise
    Peers(dirql_peers::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo => demo::run(),
        Command::Test { steps, arguments } => test::run(&steps, &arguments),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Deb => deb::run(),
        Command::Lab { user, devices } => lab::run(&user, &devices),
        Command::Kernel => dirql_lab::package::kernel().map(|kernel| println!("{}", kernel.image.display())),
        Command::Bench(Bench::Peers(options)) => dirql_peers::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
