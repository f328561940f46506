//! Using a network device.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dirql::class::net::{HEADER, Mac, Offloads};

use super::{Cidr, Start, Target, mac, seconds};

/// `net`.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "ACTION",
    subcommand_help_heading = "Actions",
    after_help = "\
Examples:
  dirql net 00:03.0 ping 10.0.2.2
  dirql net 00:03.0 --wait poll --queues 2 bench rx
  dirql net 00:03.0 tap --help

What starts the device may stand before the action, or behind it."
)]
pub struct Net {
    #[command(flatten)]
    pub target: Target,

    #[command(flatten)]
    pub start: Start,

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
    /// Give it to the kernel's network as a TAP interface, until Ctrl-C
    Tap(Tap),
    /// Measure how many frames it sends or receives
    Bench(Bench),
}

/// `net ping`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql net 00:03.0 ping 10.0.2.2
  dirql net 00:03.0 ping 192.0.2.1 --source 192.0.2.7/24 --interval 50

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

Every frame must have 14 to 1514 bytes, without the check sequence, or as many
more as --mtu allows.")]
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

/// `net tap`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo dirql net 00:03.0 tap tap0 --address 192.0.2.7/24
  sudo ip tuntap add dev tap0 mode tap user $USER && dirql net 00:03.0 tap tap0
  sudo dirql net 00:03.0 tap tap0 --up --offload checksum,segmentation

The interface has the device's address and MTU, and no carrier while the
device's link is down. One that does not exist is created, which needs
CAP_NET_ADMIN, and is gone at the end. One that exists must be yours, and with
--queues it must have been added with multi_queue.")]
pub struct Tap {
    /// The interface's name
    pub name: String,

    /// Bring it up
    #[arg(long)]
    pub up: bool,

    /// Give it this address, and bring it up
    #[arg(long, value_name = "ADDRESS/LENGTH")]
    pub address: Option<Cidr>,

    /// Leave this work on frames to the device
    #[arg(long, value_enum, value_name = "WORK", value_delimiter = ',')]
    pub offload: Vec<Offload>,
}

/// Work on frames that a device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Offload {
    /// Checksums
    Checksum,
    /// Segmentation of what is sent by TCP, with its checksums
    Segmentation,
}

impl Tap {
    /// The work that is left to the device.
    pub fn offloads(&self) -> Offloads {
        let segmentation = self.offload.contains(&Offload::Segmentation);
        Offloads {
            checksum: segmentation || self.offload.contains(&Offload::Checksum),
            segmentation,
            vlan: false,
        }
    }
}

/// `net bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql net 00:03.0 bench tx --wait poll
  dirql net 00:03.0 bench rx --seconds 10 --warmup 2 --json
  dirql net 00:03.0 bench tx --size 1514 --rate 10000 --to 52:54:00:12:34:56

With --queues N each pair of rings has a thread. Frames that are sent have the
EtherType 88b5, which is for experiments; those that come in are counted and
dropped. The rate is of frames handed to the device, or taken from it; MISSED
are those that it had no buffer for.")]
pub struct Bench {
    /// Which way
    #[arg(value_enum)]
    pub direction: Direction,

    /// How long to measure, in seconds
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub seconds: Duration,

    /// How long to do the same before that, in seconds
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    pub warmup: Duration,

    /// Frames at a time: for each ring of the doorbell, or taken at once
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,

    /// Bytes of each frame sent, without the check sequence
    #[arg(long, value_name = "BYTES", default_value = "60",
          value_parser = clap::value_parser!(u32).range(HEADER as i64..=65_549))]
    pub size: u32,

    /// Send no more than so many frames in a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub rate: Option<u64>,

    /// Whom to send to
    #[arg(long, value_name = "MAC", default_value = "02:00:00:00:00:01", value_parser = mac)]
    pub to: Mac,
}

/// Which way frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Out
    Tx,
    /// In
    Rx,
}
