//! Taking devices from the kernel, and giving them back.

use std::time::Duration;

use super::seconds;
use clap::{Args, ValueEnum};

/// `bind`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo dirql bind 00:03.0 --owner $USER
  sudo dirql bind eth1 01:00.0 --owner :vfio
  sudo dirql bind --group 7 --owner $USER -v     # -v: every write to sysfs
  sudo dirql bind 00:03.0 --owner $USER --persist

The previous driver is recorded in /run/dirql, for dirql restore. Where one
device cannot be bound, those before it are given back.")]
pub struct Bind {
    /// The devices: DDDD:BB:DD.F, BB:DD.F, or the names of their interfaces or disks
    #[arg(value_name = "BDF", required_unless_present = "group", conflicts_with = "group")]
    pub devices: Vec<String>,

    /// All functions of an IOMMU group, but for bridges
    #[arg(long, value_name = "N")]
    pub group: Option<u32>,

    /// Give the group's node to this user and group, who need no root from then on
    #[arg(long, value_name = "USER[:GROUP]")]
    pub owner: Option<String>,

    /// Bind them at each start too, by a rule of udev that dirql restore removes
    #[arg(long)]
    pub persist: bool,

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

/// `unbind`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo dirql unbind 00:03.0
  sudo dirql unbind 00:03.0 --timeout 20     # waits for whoever holds it
  sudo dirql unbind eth1 --dry-run

Whatever driver has the device, vfio-pci or the kernel's own, lets go of it,
and no other is asked to take it: before the device is pulled, or for a driver
of your choice. dirql restore gives it back. What a process holds is not
unbound: the kernel would wait for that without end. Exit code 5, see dirql
explain E13.")]
pub struct Unbind {
    /// The devices: DDDD:BB:DD.F, BB:DD.F, or the names of their interfaces or disks
    #[arg(value_name = "BDF", required = true)]
    pub devices: Vec<String>,

    /// How long to wait for a process that holds the device, in seconds
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    pub timeout: Duration,

    /// Unbind a device that is in use: an interface that is up, a disk that is mounted
    #[arg(long)]
    pub force: bool,

    /// Print what would be done, as shell commands, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is done with the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UdevAction {
    /// Write the files, make the group, have udev apply the rules
    Install,
    /// Remove the files; the group stays
    Remove,
    /// Print the files and whether they are installed; change nothing
    Show,
}
