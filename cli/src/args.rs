//! What can be typed.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use dirql::host::Owner;

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

    /// Say more on stderr; twice: every write to sysfs
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
    /// Take devices from the kernel: bind them to vfio-pci
    Bind(Bind),
    /// Give devices back to the driver that they had
    Restore(Restore),
    /// Start a device and watch its interrupt vectors until Ctrl-C
    Run(Run),
    /// Show all that is counted of a device's interrupt vectors, also while another program drives it
    Irqs(Irqs),
    /// Record handlers, sections and deferred calls as a timeline for ui.perfetto.dev
    Trace(Trace),
    /// Try a device: configuration, BARs, loopback of every vector, DMA, reset, driver
    #[command(after_help = "\
The device must be bound (dirql bind), and nothing else may use it.
Exit code 7 where a check fails.")]
    Selftest(Target),
    /// Use a network device
    Net(Net),
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

/// `bind`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo dirql bind 00:03.0 --owner $USER
  sudo dirql bind eth1 01:00.0 --owner :vfio

The previous driver is recorded in /run/dirql, for dirql restore. Where one
device cannot be bound, those before it are given back.")]
pub struct Bind {
    /// The devices: DDDD:BB:DD.F, BB:DD.F, or the names of their interfaces or disks
    #[arg(value_name = "BDF", required = true)]
    pub devices: Vec<String>,

    /// Give the group's node to this user and group, who need no root from then on
    #[arg(long, value_name = "USER[:GROUP]")]
    pub owner: Option<Owner>,

    /// Take a device that is in use: an interface that is up, a disk that is mounted
    #[arg(long)]
    pub force: bool,

    /// Print what would be done, as shell commands, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo dirql restore 00:03.0
  sudo dirql restore --all --timeout 5")]
pub struct Restore {
    /// The devices
    #[arg(value_name = "BDF", required_unless_present = "all", conflicts_with = "all")]
    pub devices: Vec<String>,

    /// Every device that dirql bind has taken
    #[arg(long)]
    pub all: bool,

    /// How long to wait for a process that holds the device, in seconds
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    pub timeout: Duration,
}

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
    #[arg(long, value_name = "FILE.svg", conflicts_with_all = ["watch", "seconds"])]
    pub histogram: Option<PathBuf>,

    /// How often each vector is raised for --histogram
    #[arg(long, value_name = "N", default_value = "10000", requires = "histogram",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,
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
}

/// `net`.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "ACTION", subcommand_help_heading = "Actions")]
pub struct Net {
    #[command(flatten)]
    pub target: Target,

    /// What to do with it.
    #[command(subcommand)]
    pub action: NetAction,
}

/// What a network device can be used for.
#[derive(Debug, Subcommand)]
pub enum NetAction {
    /// Ping an IPv4 address
    Ping(Ping),
    /// Send the frames of a pcap file, in their order
    Send(Send),
    /// Receive everything into a pcap file, until Ctrl-C
    Pcap(Pcap),
}

/// `net ping`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql net 00:03.0 ping 10.0.2.2
  dirql net 00:03.0 ping 192.0.2.1 --source 192.0.2.7/24 --count 20 --interval 50

Without --source the address comes from DHCP. Exit code 7 unless all were
answered.")]
pub struct Ping {
    /// Whom to ping
    pub address: Ipv4Addr,

    /// The device's own address and the length of its network's prefix; else DHCP
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    pub source: Option<Cidr>,

    /// The router to addresses outside of the network
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<Ipv4Addr>,

    /// How many requests to send
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    pub count: u16,

    /// Time from one request to the next, in milliseconds
    #[arg(long, value_name = "MS", default_value = "1000")]
    pub interval: u32,

    /// How long a reply may take, in seconds
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    pub timeout: Duration,
}

/// `net send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  dirql net 00:03.0 send frames.pcap --batch 64

Every frame must have 14 to 1514 bytes, without the check sequence.")]
pub struct Send {
    /// A classic pcap file of Ethernet frames; - is stdin
    pub file: PathBuf,

    /// How many frames to queue before the device is told, at most
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
}

/// `net pcap`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql net 00:03.0 pcap all.pcap --seconds 10
  dirql net 00:03.0 pcap - | tcpdump -r -")]
pub struct Pcap {
    /// Where to write; - is stdout
    pub file: PathBuf,

    /// End after so many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<Duration>,
}

/// An IPv4 address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) =
            text.split_once('/').ok_or("an address and a length are needed, as in 10.0.2.15/24")?;
        let address: Ipv4Addr = address.parse().map_err(|_| format!("{address:?} is no IPv4 address"))?;
        let prefix =
            prefix.parse().ok().filter(|&prefix| prefix <= 32).ok_or("the length lies between 0 and 32")?;
        if !is_host(address) {
            return Err(format!("{address} cannot be the address of an interface"));
        }
        Ok(Self { address, prefix })
    }
}

/// Whether an address is that of one interface.
pub fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
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
        let Command::Net(Net { target, action: NetAction::Ping(ping) }) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!((target.device.as_str(), ping.count, ping.source, cli.json), ("00:03.0", 20, None, true));
        for bad in [
            &["dirql", "restore"][..],
            &["dirql", "restore", "00:03.0", "--all"],
            &["dirql", "run", "00:03.0", "--seconds", "-1"],
            &["dirql", "run", "00:03.0", "--seconds", "nan"],
            &["dirql", "net", "00:03.0", "ping", "10.0.2.2", "--source", "10.0.2.15"],
            &["dirql", "net", "00:03.0", "ping", "10.0.2.2", "--count", "0"],
            &["dirql", "net", "00:03.0", "ping", "::1"],
        ] {
            assert_eq!(Cli::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn a_source_is_an_interface_in_its_network() {
        assert_eq!("10.0.2.15/24".parse(), Ok(Cidr { address: Ipv4Addr::new(10, 0, 2, 15), prefix: 24 }));
        for bad in
            ["", "10.0.2.15", "10.0.2.15/33", "10.0.2/24", "0.0.0.0/0", "224.0.0.1/4", "255.255.255.255/32"]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
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
