//! A bind that outlives the next start: a rule of udev for exactly one function, in `/etc/udev/rules.d/71-dirql-BDF.rules`.
//!
//! The rule does by udev's own means what [`bind`](Host::bind) does, each time the function appears: at a start, after a
//! rescan, or plugged. It matches the address and the ids, so that another card in the same slot is left alone. It starts
//! no program that could wait for udev.

use std::path::PathBuf;

use nix::errno::Errno;

use super::record::with_also;
use super::{Function, Host, Owner, VFIO_PCI};
use crate::pci::Address;
use crate::{Error, ErrorKind, Result};

/// How a rule begins: others are not touched.
const OURS: &str = "# Written by dirql bind --persist;";
/// After 70-dirql.rules, whose owner gives way to that of one device, and before the modules are loaded in 80-drivers.
const PREFIX: &str = "71-dirql-";
const SUFFIX: &str = ".rules";

/// A rule as it was before a bind, to be put back where that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleBefore {
    path: PathBuf,
    text: Option<Vec<u8>>,
}

impl Host {
    fn rules_path(&self) -> PathBuf {
        self.etc.join("udev/rules.d")
    }

    fn rule_path(&self, address: Address) -> PathBuf {
        self.rules_path().join(format!("{PREFIX}{address}{SUFFIX}"))
    }

    /// The rule by which a function is bound at each start, where there is one.
    pub fn persistent_rule(&self, address: Address) -> Option<PathBuf> {
        Some(self.rule_path(address)).filter(|path| path.exists())
    }

    /// Every function with such a rule, sorted, also those that are not there now.
    pub fn persistent(&self) -> Vec<Address> {
        let names = super::files::names(self.rules_path());
        let address = |name: &String| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok();
        let mut addresses: Vec<Address> = names.iter().filter_map(address).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Path and text of the rule for a function, once it is certain that udev would read it.
    ///
    /// # Errors
    /// `Precondition` without udev; `Busy` where somebody else's file has the name.
    pub(super) fn rule_for(&self, function: &Function, owner: Option<&Owner>) -> Result<(PathBuf, String)> {
        let (address, path) = (function.address, self.rule_path(function.address));
        let operation = "binding for good";
        if !self.run.join("udev/control").exists() {
            return Err(Error::new(ErrorKind::Precondition, operation)
                .on(address)
                .why("no udev is at work here, which would have to bind it at each start")
                .fix(format!("have it bound at each start by a script: dirql bind {address}")));
        }
        let foreign = std::fs::read_to_string(&path);
        if foreign.is_ok_and(|text| !text.starts_with(OURS)) {
            return Err(Error::new(ErrorKind::Busy, operation)
                .on(address)
                .path(&path)
                .why("the file is there, and dirql has not written it")
                .fix("see what it is for, move it away, and again"));
        }
        Ok((path, text(function, owner)))
    }

    /// Writes the rule; gives what is to be put back where the bind fails.
    pub(super) fn persist(&self, function: &Function, owner: Option<&Owner>) -> Result<RuleBefore> {
        let (path, text) = self.rule_for(function, owner)?;
        let before = RuleBefore { text: std::fs::read(&path).ok(), path };
        self.change
            .save(&before.path, text.as_bytes())
            .map_err(|error| self.refused(function.address, &before.path, &error))?;
        self.reload_rules();
        Ok(before)
    }

    /// Puts the rule back after `error`, and says so where even that failed.
    pub(super) fn undo_rule(&self, address: Address, rule: Option<&RuleBefore>, error: Error) -> Error {
        match rule.map(|rule| self.put_rule_back(address, rule)) {
            Some(Err(also)) => with_also(error, address, &also),
            _ => error,
        }
    }

    pub(super) fn put_rule_back(&self, address: Address, before: &RuleBefore) -> Result<()> {
        let put = match &before.text {
            Some(text) => self.change.save(&before.path, text),
            None => self.change.remove(&before.path),
        };
        put.map_err(|error| self.refused(address, &before.path, &error))?;
        self.reload_rules();
        Ok(())
    }

    /// Removes the rule of a function; its path, where there was one.
    pub(super) fn forget_rule(&self, address: Address) -> Result<Option<PathBuf>> {
        let Some(path) = self.persistent_rule(address) else { return Ok(None) };
        self.change.remove(&path).map_err(|error| {
            let error = Error::io(&error, "removal of the rule of udev").on(address).path(&path);
            super::record::denied(error, address, "restore")
        })?;
        self.reload_rules();
        Ok(Some(path))
    }

    fn refused(&self, address: Address, path: &std::path::Path, error: &std::io::Error) -> Error {
        let error = Error::io(error, "writing of the rule of udev").on(address).path(path);
        match error.raw_errno() {
            Some(Errno::EROFS) => error
                .why("the file system is read-only: this system keeps its settings elsewhere")
                .fix(format!(
                    "dirql bind {address} --persist --dry-run shows the rule, for the place where they are"
                )),
            _ => super::record::denied(error, address, "bind"),
        }
    }

    /// It looks itself too, but not at once.
    fn reload_rules(&self) {
        if let Err(error) = self.change.run("udevadm", &["control", "--reload"]) {
            log::debug!("udevadm control --reload: {error}");
        }
    }
}

fn text(function: &Function, owner: Option<&Owner>) -> String {
    let Function { address, vendor, device, subsystem_vendor, subsystem_device, .. } = function;
    let driver = function.driver.as_deref().filter(|driver| *driver != VFIO_PCI);
    let had = driver.map_or_else(String::new, |driver| format!(" It was on {driver} then."));
    let ids = [
        ("vendor", vendor),
        ("device", device),
        ("subsystem_vendor", subsystem_vendor),
        ("subsystem_device", subsystem_device),
    ];
    let others = |of: &str| {
        let other = |(name, id)| format!("ATTR{{{of}{name}}}!=\"{id:#06x}\", GOTO=\"dirql_end\"\n");
        ids.map(other).concat()
    };
    let (other, another) = (others(""), others(&format!("[pci/{address}]")));
    let node = owner.map_or_else(String::new, |owner| {
        let word = |key: &str, id: Option<u32>| id.map_or_else(String::new, |id| format!(", {key}=\"{id}\""));
        let given =
            [word("OWNER", owner.uid), word("GROUP", owner.gid), format!(", MODE=\"{:04o}\"", owner.mode())];
        let to = given.concat();
        format!(
            "\n# The nodes of its group and of itself are {owner}'s.\n\
             LABEL=\"dirql_node\"\n\
             {another}\
             SUBSYSTEM==\"vfio\", TEST==\"/sys/kernel/iommu_groups/$kernel/devices/{address}\"{to}\n\
             SUBSYSTEM==\"vfio-dev\", KERNELS==\"{address}\"{to}\n"
        )
    });
    let to_node = if owner.is_some() { "SUBSYSTEM==\"vfio|vfio-dev\", GOTO=\"dirql_node\"\n" } else { "" };
    format!(
        "{OURS} sudo dirql restore {address} takes it away.\n\
         #\n\
         # {address}, {vendor:04x}:{device:04x}, is bound to {VFIO_PCI} whenever it appears.{had}\n\
         # Another card in its place is left alone.\n\
         \n\
         ACTION!=\"add|change\", GOTO=\"dirql_end\"\n\
         {to_node}\
         ACTION!=\"add\", GOTO=\"dirql_end\"\n\
         SUBSYSTEM!=\"pci\", GOTO=\"dirql_end\"\n\
         KERNEL!=\"{address}\", GOTO=\"dirql_end\"\n\
         {other}\
         # From here on no other driver takes it; one that was quicker lets go.\n\
         ATTR{{driver_override}}=\"{VFIO_PCI}\"\n\
         TEST==\"driver\", TEST!=\"/sys/bus/pci/drivers/{VFIO_PCI}/$kernel\", ATTR{{driver/unbind}}=\"$kernel\"\n\
         IMPORT{{builtin}}=\"kmod load {VFIO_PCI} vfio_iommu_type1\"\n\
         ATTR{{[subsystem/pci]drivers_probe}}=\"$kernel\"\n\
         GOTO=\"dirql_end\"\n\
         {node}\
         \n\
         LABEL=\"dirql_end\"\n"
    )
}

#[cfg(test)]
#[path = "persist_tests.rs"]
mod tests;
