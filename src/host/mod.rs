//! What the machine says and does: functions, groups, holders and limits as sysfs and procfs show them, the bind
//! transaction and its way back, and the cause behind a refusal of VFIO.
//!
//! Everything goes through a [`Host`], which is told where `/sys`, `/dev`, `/proc` and `/run` are, so that a test
//! can lay out a machine in a directory.

#![forbid(unsafe_code)]

mod bind;
mod catalogue;
mod change;
mod diagnose;
mod discovery;
mod doctor;
mod explain;
mod explain_dma;
#[cfg(test)]
mod fake;
mod files;
mod function;
mod group;
mod holders;
mod in_use;
mod iommu;
mod limits;
#[cfg(test)]
mod messages_tests;
mod owner;
mod permissions;
mod record;
mod restore;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use change::Change;

pub use bind::{BindOptions, Bound};
pub use catalogue::explanation;
pub use diagnose::Usability;
pub use doctor::{Condition, Verdict};
pub use function::Function;
pub use group::{Group, Member, Node};
pub use holders::{Holder, Holders};
pub use in_use::Use;
pub use limits::{KernelVersion, Limits};
pub use owner::Owner;
pub use permissions::{FileState, GROUP, PermissionFile};
pub use record::Record;
pub use restore::{RestoreOptions, Restored};

/// The driver that gives a function to user space.
pub const VFIO_PCI: &str = "vfio-pci";

/// A machine: where it shows itself, and how it is changed.
#[derive(Debug, Clone)]
pub struct Host {
    etc: PathBuf,
    usr: PathBuf,
    sys: PathBuf,
    dev: PathBuf,
    proc: PathBuf,
    run: PathBuf,
    change: Arc<dyn Change>,
}

impl Host {
    /// This machine.
    pub fn system() -> Self {
        Self::at("/")
    }

    /// A machine whose `sys`, `dev`, `proc`, `run`, `etc` and `usr` lie below `root`.
    pub fn at(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        Self {
            etc: root.join("etc"),
            usr: root.join("usr"),
            sys: root.join("sys"),
            dev: root.join("dev"),
            proc: root.join("proc"),
            run: root.join("run"),
            change: Arc::new(change::System),
        }
    }

    /// Where functions are.
    fn devices(&self) -> PathBuf {
        self.sys.join("bus/pci/devices")
    }

    /// The directory of a PCI driver; absent where it is not loaded.
    fn driver_path(&self, driver: &str) -> PathBuf {
        self.sys.join("bus/pci/drivers").join(driver)
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::system()
    }
}
