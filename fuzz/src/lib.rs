//! A target for everything that reads what others wrote: users, files, the kernel, other programs, devices. Whatever they
//! write, it is what it should be or an error; `README.md` tells how they are run.
//!
//! A target takes bytes and panics where a promise is broken. The same bytes always do the same.
#![allow(clippy::duplicate_mod, reason = "the stack has its tests' network too, where it is tested")]

mod input;
mod machine;

mod address;
mod capture;
mod command_line;
mod config_space;
mod e1000_rings;
mod edid;
mod frames;
mod host_files;
mod owner;
mod pci_ids;
mod picture;
mod record;
mod telemetry;
mod virtio_discovery;
mod virtio_rings;

// The command is a program and no library, so its files are read here once more.
#[path = "../../cli/src/args/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the command uses the rest")]
mod args;
#[path = "../../cli/src/picture/image.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod image;
#[path = "../../cli/src/pcap.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod pcap;
#[path = "../../cli/src/stack/peer.rs"]
mod peer;
#[path = "../../cli/src/signals.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod signals;
#[path = "../../cli/src/stack/mod.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod stack;
#[path = "../../cli/src/stack/wire.rs"]
#[allow(dead_code, reason = "the command's tests use the rest")]
mod wire;

/// A target: its name, which is that of its directory in `corpus`, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 15] = [
    ("address", address::run),
    ("capture", capture::run),
    ("command_line", command_line::run),
    ("config_space", config_space::run),
    ("e1000_rings", e1000_rings::run),
    ("edid", edid::run),
    ("frames", frames::run),
    ("host_files", host_files::run),
    ("owner", owner::run),
    ("pci_ids", pci_ids::run),
    ("picture", picture::run),
    ("record", record::run),
    ("telemetry", telemetry::run),
    ("virtio_discovery", virtio_discovery::run),
    ("virtio_rings", virtio_rings::run),
];

/// Takes away what targets have left, once no more bytes come.
pub fn end() {
    telemetry::end();
}

/// The target of this name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|target| target.0 == name).map(|target| target.1)
}
