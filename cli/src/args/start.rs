//! What a device is started with.

use std::time::Duration;

use clap::{Args, ValueEnum};
use dirql::class::net::{self, Offloads};
use dirql::driver::Settings;
use dirql::interrupt;

/// How long `--wait adaptive` looks for work before it sleeps: longer than an interrupt takes to arrive, and shorter than
/// anybody notices.
const SPIN: Duration = Duration::from_micros(50);

/// What a device is started with.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Starting the device")]
pub struct Start {
    /// How its interrupts arrive; else in the best way that it has
    #[arg(long, global = true, value_enum, value_name = "MODE")]
    pub interrupts: Option<Mode>,

    /// How a network device is waited for [default: block]
    #[arg(long, global = true, value_enum, value_name = "HOW")]
    pub wait: Option<Wait>,

    /// Pairs of rings of a network device [default: 1]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub queues: Option<u16>,

    /// The longest payload of a network device's frames, in bytes [default: 1500]
    #[arg(long, global = true, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65_535))]
    pub mtu: Option<u32>,
}

/// The kinds of interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Messages by a table
    Msix,
    /// Messages
    Msi,
    /// The legacy line
    Intx,
}

/// The ways to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Asleep until an interrupt
    #[default]
    Block,
    /// Awake while there is work and 50 µs longer, then asleep
    Adaptive,
    /// Always awake
    Poll,
}

impl From<Mode> for interrupt::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Msix => Self::Msix,
            Mode::Msi => Self::Msi,
            Mode::Intx => Self::Intx,
        }
    }
}

impl From<Wait> for interrupt::Wait {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Block => Self::Block,
            Wait::Adaptive => Self::Adaptive { spin: SPIN },
            Wait::Poll => Self::Poll,
        }
    }
}

impl Start {
    /// The settings of the device's driver, which knows what the device can do.
    pub fn settings(&self) -> Settings {
        let defaults = net::Settings::default();
        Settings {
            interrupts: self.interrupts.map(Into::into),
            net: net::Settings {
                wait: self.wait.unwrap_or_default().into(),
                queues: self.queues.unwrap_or(defaults.queues),
                mtu: self.mtu.unwrap_or(defaults.mtu),
                offloads: Offloads::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn settings(line: &str) -> Result<Settings, clap::Error> {
        let start = match Cli::try_parse_from(line.split_whitespace())?.command {
            Command::Net(args) => args.start,
            Command::Run(args) => args.start,
            Command::Irqs(args) => args.start,
            Command::Trace(args) => args.start,
            command => panic!("{command:?} starts nothing"),
        };
        Ok(start.settings())
    }

    #[test]
    fn every_command_that_starts_a_device_takes_the_settings() {
        let spoken = "--interrupts msi --wait adaptive --queues 2 --mtu 9000";
        let expected = Settings {
            interrupts: Some(interrupt::Mode::Msi),
            net: net::Settings {
                wait: interrupt::Wait::Adaptive { spin: SPIN },
                queues: 2,
                mtu: 9000,
                offloads: Offloads::default(),
            },
        };
        for line in [
            format!("dirql run 00:03.0 {spoken}"),
            format!("dirql irqs 00:03.0 {spoken}"),
            format!("dirql trace 00:03.0 -o x.json {spoken}"),
            format!("dirql net {spoken} 00:03.0 pcap x.pcap"),
            format!("dirql net 00:03.0 pcap x.pcap {spoken}"),
        ] {
            assert_eq!(settings(&line).unwrap(), expected, "{line}");
        }
        assert_eq!(settings("dirql net 00:03.0 ping 10.0.2.2").unwrap(), Settings::default());
    }

    #[test]
    fn what_no_device_can_do_is_no_setting() {
        for bad in
            ["--queues 0", "--queues 65536", "--mtu 67", "--mtu 65536", "--wait never", "--interrupts pin"]
        {
            assert_eq!(settings(&format!("dirql run 00:03.0 {bad}")).unwrap_err().exit_code(), 2, "{bad}");
        }
        let error = settings("dirql irqs 00:03.0 --histogram x.svg --wait poll").unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
