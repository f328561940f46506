//! What was before a bind, kept in `/run/dirql/DDDD:BB:DD.F.json` so that `restore` can put it back.

use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::{Host, files};
use crate::pci::Address;
use crate::{Error, ErrorKind, Result};

/// The state of a function before it was bound to vfio-pci.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The function.
    pub address: Address,
    /// The driver that it had.
    pub previous_driver: Option<String>,
    /// The module of that driver; `None` for a driver built into the kernel.
    #[serde(default)]
    pub previous_module: Option<String>,
    /// The override that it had.
    #[serde(default)]
    pub previous_override: Option<String>,
    /// The IOMMU group that it had.
    #[serde(default)]
    pub iommu_group: Option<u32>,
    /// Owner, group and mode of the group's node, where it existed before.
    #[serde(default)]
    pub previous_node: Option<(u32, u32, u32)>,
}

impl Host {
    fn records_path(&self) -> PathBuf {
        self.run.join("dirql")
    }

    /// Where the record of a function is kept.
    pub(super) fn record_path(&self, address: Address) -> PathBuf {
        self.records_path().join(format!("{address}.json"))
    }

    /// The record of a function that was bound and not restored yet.
    ///
    /// # Errors
    /// Where the record is there and cannot be read.
    pub fn record(&self, address: Address) -> Result<Option<Record>> {
        let path = self.record_path(address);
        let operation = "reading of the record of the bind";
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&error, operation).on(address).path(path)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::new(ErrorKind::Failure, operation)
                .on(address)
                .why(format!("the record is damaged: {error}"))
                .fix(format!("sudo rm {} && sudo dirql restore {address}", path.display()))
                .path(path)
        })
    }

    /// Every function that there is a record of, sorted: what `restore --all` puts back. The records are not read.
    pub fn recorded(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = files::names(self.records_path())
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        addresses.sort_unstable();
        addresses
    }

    /// Every record, sorted by address.
    ///
    /// # Errors
    /// Where a record is there and cannot be read.
    pub fn records(&self) -> Result<Vec<Record>> {
        self.recorded().into_iter().filter_map(|address| self.record(address).transpose()).collect()
    }

    pub(super) fn save_record(&self, record: &Record) -> Result<()> {
        let (address, operation) = (record.address, "recording of the previous driver");
        let path = self.record_path(address);
        let text = serde_json::to_string_pretty(record)
            .map_err(|error| Error::new(ErrorKind::Failure, operation).on(address).why(error.to_string()))?;
        self.change
            .save(&path, format!("{text}\n").as_bytes())
            .map_err(|error| denied(Error::io(&error, operation).on(address).path(&path), address, "bind"))
    }

    pub(super) fn remove_record(&self, address: Address) -> Result<()> {
        let path = self.record_path(address);
        match self.change.remove(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(denied(
                Error::io(&error, "removal of the record of the bind").on(address).path(&path),
                address,
                "restore",
            )),
        }
    }
}

/// Says what is to be done where a change failed for want of a right; leaves other failures as they are.
pub(super) fn denied(error: Error, address: Address, verb: &str) -> Error {
    match error.raw_errno() {
        Some(Errno::EACCES | Errno::EPERM) => {
            let verb_ing = match verb {
                "bind" => "binding",
                "unbind" => "unbinding",
                _ => "restoring",
            };
            let owner = if verb == "bind" { " --owner $USER" } else { "" };
            error
                .kind_is(ErrorKind::Permission)
                .why(format!("{verb_ing} needs root"))
                .fix(format!("sudo dirql {verb} {address}{owner}"))
        }
        Some(Errno::EROFS) => error
            .kind_is(ErrorKind::Permission)
            .why("the file system is read-only here, as in a container")
            .fix(format!("outside the container: sudo dirql {verb} {address}")),
        _ => error,
    }
}

/// An error, and that giving back what it came upon failed too.
pub(super) fn with_also(error: Error, address: Address, also: &Error) -> Error {
    let why = error.cause().map_or_else(String::new, |why| format!("{why}; "));
    error
        .why(format!("{why}and putting back {address} failed too: {}", first_line(also)))
        .fix(format!("sudo dirql restore {address}"))
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}
