//! What the machine says and does: functions, groups, holders and limits as sysfs and procfs show them, the bind
//! transaction and its way back, and the cause behind a refusal of VFIO.
//!
//! Everything goes through a [`Host`], which is told where `/sys`, `/dev`, `/proc` and `/run` are, so that a test
//! can lay out a machine in a directory.

#![forbid(unsafe_code)]

mod bind;
mod catalogue;
mod change;
#[cfg(test)]
mod codes_tests;
mod diagnose;
mod discovery;
mod doctor;
mod explain;
mod explain_dma;
mod explain_irqs;
mod explain_region;
mod facts;
#[cfg(test)]
mod fake;
mod faults;
mod files;
mod function;
mod group;
mod holders;
mod in_use;
mod iommu;
mod limits;
mod link;
#[cfg(test)]
mod messages_tests;
mod owner;
mod permissions;
mod persist;
mod record;
mod reserved;
mod resource;
mod restore;
mod translation;
mod unbind;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use change::Change;

pub use bind::{BindOptions, Bound};
pub use catalogue::{Explanation, explanation};
pub use diagnose::Usability;
pub use doctor::{Condition, Verdict};
pub use explain_irqs::IrqRequest;
pub use facts::{KernelInterrupts, Power, VirtualFunctions};
pub use faults::IommuFault;
pub use function::Function;
pub use group::{Group, Member, Node};
pub use holders::{Holder, Holders};
pub use in_use::Use;
pub use limits::{KernelVersion, Limits};
pub use link::Link;
pub use owner::Owner;
pub use permissions::{FileState, GROUP, PermissionFile};
pub use record::Record;
pub use reserved::ReservedRegion;
pub use resource::Resource;
pub use restore::{RestoreOptions, Restored};
pub use translation::Translation;
pub use unbind::{UnbindOptions, Unbound};

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
