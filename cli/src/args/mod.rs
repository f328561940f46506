//! What can be typed, a file for each group of commands.

mod address;
mod display;
mod host;
mod look;
mod net;
mod random;
mod start;
mod stats;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

pub use self::address::{Cidr, is_host, mac};
pub use self::display::{Display, DisplayAction, FlipBench, Place, ShowPattern, Size};
pub use self::host::{Bind, Restore, UdevAction};
pub use self::look::{Config, Regs, Width};
pub use self::net::{Bench, Direction, Net, NetAction, Pcap, Ping, Send, Tap};
pub use self::random::Random;
pub use self::start::{Mode, Start, Wait};
pub use self::stats::Stats;
pub use self::watch::{Irqs, Run, Trace};

/// Takes PCI devices from the kernel, runs them in user space, and gives them back.
#[derive(Debug, Parser)]
#[command(
    name = "dirql",
    version,
    max_term_width = 80,
    arg_required_else_help = true,
    after_help = "\
Examples:
  dirql list                                 what there is, and whether it can be used
  dirql doctor 00:03.0                       what stands in the way, and what to do
  sudo dirql bind 00:03.0 --owner $USER      take a device; from here on without root
  dirql net 00:03.0 ping 10.0.2.2            get a lease, and ping
  sudo dirql restore 00:03.0                 give it back to the kernel

A device is DDDD:BB:DD.F or BB:DD.F, as lspci prints it, or the name of its
network interface or disk.

Exit codes: 0 success, 1 failure, 2 usage, 3 the machine is not in the state
that is needed, 4 permission, 5 busy, 6 not found, 7 the device failed or did
not answer."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Print one JSON document to stdout and nothing else; what fails while it runs is JSON too, on stderr
    #[arg(long, global = true)]
    pub json: bool,

    /// Say more on stderr, as every write to sysfs; twice: still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the PCI functions, their drivers, and whether dirql can use them
    List,
    /// Show what is known of a device, bound or not
    Info(Target),
    /// Say what stands between you and a device, and what to do about it
    #[command(after_help = "\
Examples:
  dirql doctor                  the machine: IOMMU, modules, limits
  dirql doctor 00:03.0          and the device: driver, group, node, holders

Nothing is changed, and nothing needs root. Exit code 3 where a condition is
not met that must be.")]
    Doctor {
        /// The device: DDDD:BB:DD.F, BB:DD.F, or the name of its interface or disk
        #[arg(value_name = "BDF")]
        device: Option<String>,
    },
    /// Take devices from the kernel: bind them to vfio-pci
    Bind(Bind),
    /// Give devices back to the driver that they had
    Restore(Restore),
    /// Start a device and watch its interrupt vectors until Ctrl-C
    Run(Run),
    /// Show all that is counted of a device's interrupt vectors, also while another program drives it
    Irqs(Irqs),
    /// Show all that running programs count of their devices
    Stats(Stats),
    /// Record handlers, sections and deferred calls as a timeline for ui.perfetto.dev
    Trace(Trace),
    /// Try a device: configuration, BARs, loopback of every vector, DMA, reset, driver
    #[command(after_help = "\
The device must be bound (dirql bind), and nothing else may use it.
Exit code 7 where a check fails.")]
    Selftest(Target),
    /// Show the registers of a BAR
    Regs(Regs),
    /// Show configuration space, or read or write a register of it
    Config(Config),
    /// Reset a device
    #[command(after_help = "\
The device must be bound (dirql bind), and nothing else may use it. Many
devices keep part of their state all the same. Exit code 3 where the kernel
knows no way to reset it.")]
    Reset(Target),
    /// Use a network device
    Net(Net),
    /// Use a display
    Display(Display),
    /// Read what an entropy device gives
    Random(Random),
    /// Rules by which the group vfio may use every device that is bound
    #[command(after_help = "\
Examples:
  dirql udev show
  sudo dirql udev install && sudo usermod -aG vfio $USER    # then log in again
  sudo dirql udev remove

One device for one user needs no rules: dirql bind BDF --owner USER.")]
    Udev {
        /// What to do
        #[arg(value_enum)]
        action: UdevAction,
    },
    /// Print what a shell needs to complete the command
    #[command(after_help = "\
Examples:
  dirql completions bash | sudo tee /etc/bash_completion.d/dirql
  dirql completions fish > ~/.config/fish/completions/dirql.fish")]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the manual's pages into a directory
    #[command(hide = true)]
    Man {
        /// Where to; it is made
        directory: PathBuf,
    },
    /// Explain an error code
    #[command(after_help = "Example:\n  dirql explain E7")]
    Explain {
        /// E1 to E15
        code: String,
    },
}

/// A device.
#[derive(Debug, Args)]
pub struct Target {
    /// The device: DDDD:BB:DD.F, BB:DD.F, or the name of its interface or disk
    #[arg(value_name = "BDF")]
    pub device: String,
}

/// Reads seconds, with a fraction or without; no more than a year, so that sums with the time of day hold.
fn seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "a number of seconds is needed")?;
    if !(0.0..=31_536_000.0).contains(&value) {
        return Err("the seconds lie between 0 and a year's".into());
    }
    Duration::try_from_secs_f64(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_what_is_typed() {
        let cli =
            Cli::try_parse_from(["dirql", "net", "00:03.0", "ping", "10.0.2.2", "--count", "20", "--json"]);
        let cli = cli.unwrap();
        let Command::Net(Net { target, action: NetAction::Ping(ping), .. }) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!((target.device.as_str(), ping.count, ping.source, cli.json), ("00:03.0", 20, None, true));
        for bad in [
            &["dirql", "restore"][..],
            &["dirql", "restore", "00:03.0", "--all"],
            &["dirql", "run", "00:03.0", "--seconds", "-1"],
            &["dirql", "stats", "--watch", "00:03.0"],
            &["dirql", "stats", "00:03.0", "--watch", "0"],
            &["dirql", "stats", "00:03.0", "--seconds", "1"],
            &["dirql", "stats", "00:03.0", "--openmetrics", "--json"],
            &["dirql", "stats", "00:03.0", "--openmetrics", "--watch"],
            &["dirql", "run", "00:03.0", "--seconds", "nan"],
            &["dirql", "net", "00:03.0", "ping", "10.0.2.2", "--source", "10.0.2.15"],
            &["dirql", "net", "00:03.0", "ping", "10.0.2.2", "--count", "0"],
            &["dirql", "net", "00:03.0", "ping", "::1"],
        ] {
            assert_eq!(Cli::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    /// Help is read on terminals of 80 columns.
    #[test]
    fn help_fits_80_columns() {
        fn walk(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line:?}", command.get_name());
            }
            command.get_subcommands_mut().for_each(walk);
        }
        let mut command = Cli::command();
        command.build();
        walk(&mut command);
    }
}
