//! The lab: a virtual machine with the devices that a test names, and observers outside it.
//!
//! In reading order: [`install`] puts missing Debian packages on the host and [`package`] unpacks others into a cache;
//! [`dpdk`] is
//! the peer among them, [`deb`] the package of the command; [`programs`] builds what runs in the guest and [`initramfs`] packs it; [`machine`] boots QEMU with the network of
//! [`net`]; [`guest`] runs commands inside. Outside stand the observers: [`qmp`], [`pcap`], [`screen`], [`viewer`] and the kernel's log;
//! [`offer`] and [`sink`] are the two ends of a measurement.
//! [`progress`] shows what takes long.
//!
//! ```no_run
//! use dirql_lab::{Machine, Net};
//!
//! # fn main() -> dirql_lab::Result<()> {
//! let machine = Machine::builder("example").nic("lan", "e1000,addr=03.0", Net::User).device("edu,addr=04.0").boot()?;
//! machine.root("dirql bind 0000:00:03.0 --owner demo")?.ok()?;
//! machine.user("demo", "dirql net 0000:00:03.0 ping 10.0.2.2 --count 20")?.ok()?;
//! let frames = dirql_lab::pcap::read(&machine.pcap("lan"))?;
//! assert_eq!(dirql_lab::pcap::Echoes::of(&frames).answered(), 20);
//! # Ok(())
//! # }
//! ```
//!
//! Two variables change what it does: `DIRQL_LAB_CACHE` is the directory of downloaded packages, and
//! `DIRQL_LAB_ACCEL=kvm` trades emulation for hardware virtualisation, where that works: there are machines whose
//! `/dev/kvm` exists and hangs.
#![forbid(unsafe_code)]

mod boot;
mod cable;
pub mod deb;
pub mod dpdk;
pub mod dpkg;
pub mod guest;
pub mod initramfs;
pub mod install;
pub mod machine;
pub mod net;
pub mod offer;
pub mod package;
pub mod pcap;
pub mod programs;
pub mod progress;
pub mod qmp;
pub mod screen;
pub mod sink;
pub mod udev;
pub mod viewer;

pub use guest::{Guest, Output, Running};
pub use machine::{Iommu, Machine, MachineBuilder};
pub use net::{Net, Wire};
pub use offer::Offer;
pub use screen::Screen;
pub use sink::Sink;
pub use viewer::{CursorShape, Viewer};

/// What goes wrong in the lab is told to a human: a message is enough.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything in the lab.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Installs, downloads and builds all that a machine needs, saying so; a boot does it too if nobody did before.
pub fn prepare() -> Result<()> {
    install::ensure(install::MACHINE)?;
    package::kernel()?;
    package::unpacked(initramfs::BUSYBOX)?;
    programs::build().map(drop)
}
