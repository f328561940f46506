//! Giving a function back to the kernel, by the record that the bind left.

use std::path::PathBuf;
use std::time::Duration;

use super::{Function, Host, Record, VFIO_PCI};
use crate::pci::Address;
use crate::{Error, ErrorKind, Result};

/// How a function is to be restored.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions {
    /// How long to wait for whoever holds the function to let go.
    pub wait: Duration,
}

/// A function that has been given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The function.
    pub address: Address,
    /// The driver that has it now.
    pub driver: Option<String>,
    /// The driver that had it before.
    pub from: Option<String>,
    /// Whether that was vfio-pci.
    pub was_bound: bool,
    /// The rule of udev that bound it at each start, which is no more.
    pub rule: Option<PathBuf>,
}

impl Host {
    /// Gives a function back to the driver that the record names; without a record, to the driver that the kernel
    /// finds. One that is not on vfio-pci is success. It is not bound at the next start either.
    ///
    /// # Errors
    /// `Busy` where a process holds it: the kernel's unbind would wait for that without end. `Permission` without
    /// root, `NotFound` without such a function, `Failure` where the driver does not take it back: the record stays.
    pub fn restore(&self, address: Address, options: &RestoreOptions) -> Result<Restored> {
        let restored = match self.restore_driver(address, options) {
            // Unplugged: but what waits for it to come again is taken away.
            Err(_) if self.function(address).is_err() && self.persistent_rule(address).is_some() => {
                Restored { address, driver: None, from: None, was_bound: false, rule: None }
            }
            restored => restored?,
        };
        Ok(Restored { rule: self.forget_rule(address)?, ..restored })
    }

    /// As [`restore`](Self::restore), but for the next start.
    pub(super) fn restore_driver(&self, address: Address, options: &RestoreOptions) -> Result<Restored> {
        let record = self.record(address)?;
        let function = match self.function(address) {
            Ok(function) => function,
            Err(error) => {
                // Unplugged: there is nothing to give back.
                if record.is_some() {
                    self.remove_record(address)?;
                }
                return Err(error);
            }
        };
        let was_bound = function.is_on_vfio();
        if was_bound || record.is_some() {
            self.check_may_change(&function, "restore")?;
        }
        if was_bound {
            self.wait_until_free(&function, options.wait, "restore")?;
        } else if record.is_some() {
            self.check_left(&function, options.wait)?;
        }
        let driver = match &record {
            Some(record) => self.put_back(record)?,
            None if was_bound => self.let_the_kernel_choose(&function)?,
            None => function.driver.clone(),
        };
        if was_bound || record.is_some() {
            self.take_node_back(&function, record.as_ref())?;
        }
        if record.is_some() {
            self.remove_record(address)?;
        }
        log::info!(bdf:% = address; "{address}: restored to {}", driver.as_deref().unwrap_or("no driver"));
        Ok(Restored { address, driver, from: function.driver, was_bound, rule: None })
    }

    /// Brings a function to the driver and override of its record, from whatever state it is in; returns the driver.
    pub(super) fn put_back(&self, record: &Record) -> Result<Option<String>> {
        let address = record.address;
        let function = self.function(address)?;
        let previous = record.previous_driver.as_deref();
        let now = function.driver_override();
        if now != record.previous_override && (function.is_on_vfio() || now.as_deref() == Some(VFIO_PCI)) {
            self.set_override(&function, record.previous_override.as_deref())?;
        }
        if function.driver.as_deref() == previous {
            return Ok(function.driver);
        }
        match function.driver.as_deref() {
            Some(VFIO_PCI) => self.detach(address)?,
            // Somebody else has chosen meanwhile.
            Some(_) => return Ok(function.driver),
            None => {}
        }
        let Some(previous) = previous else { return Ok(None) };
        self.give_to(address, previous, record.previous_module.as_deref())?;
        Ok(Some(previous.to_string()))
    }

    /// Binds a driverless function to `driver`, by the probe or by the driver's own `bind`.
    fn give_to(&self, address: Address, driver: &str, module: Option<&str>) -> Result<()> {
        let has = |wanted: Option<&str>| {
            self.function(address).is_ok_and(|function| function.driver.as_deref() == wanted)
        };
        if let (false, Some(module)) = (self.driver_path(driver).exists(), module)
            && let Err(error) = self.change.load(module)
        {
            log::warn!("loading of {module} failed: {error}");
        }
        let probed = self.probe(address);
        if has(Some(driver)) {
            return Ok(());
        }
        if !has(None) {
            // Another driver was quicker.
            self.detach(address)?;
        }
        let path = self.driver_path(driver).join("bind");
        let bound = self.write(address, &path, &address.to_string(), "giving back to the driver");
        if has(Some(driver)) {
            return Ok(());
        }
        probed?;
        let error = bound.err().unwrap_or_else(|| {
            Error::new(ErrorKind::Failure, "giving back to the driver").on(address).path(&path)
        });
        if error.kind() == ErrorKind::Permission {
            return Err(error);
        }
        let why = if self.driver_path(driver).exists() {
            format!("its driver {driver} does not take it: sudo dmesg says why")
        } else {
            format!("its driver {driver} is not loaded any more")
        };
        let module = module.unwrap_or(driver);
        Err(error.why(why).fix(format!("sudo modprobe {module} && sudo dirql restore {address}")))
    }

    /// Takes a function without a record from vfio-pci and lets the kernel find a driver.
    fn let_the_kernel_choose(&self, function: &Function) -> Result<Option<String>> {
        let address = function.address;
        if function.driver_override().is_some() {
            self.set_override(function, None)?;
        }
        self.detach(address)?;
        self.probe(address)?;
        let driver = self.function(address)?.driver;
        if driver.as_deref() == Some(VFIO_PCI) {
            return Err(Error::new(ErrorKind::Precondition, "giving back to the kernel")
                .on(address)
                .why("vfio-pci claims every device of this ID, by its ids= option or by new_id")
                .fix("remove the ids= option of vfio-pci (/etc/modprobe.d, kernel command line) and boot again"));
        }
        Ok(driver)
    }

    /// Takes the group's node back from its owner, where another member keeps it in being.
    fn take_node_back(&self, function: &Function, record: Option<&Record>) -> Result<()> {
        let address = function.address;
        let group = self.group_of(function)?;
        let shared = group
            .members
            .iter()
            .any(|member| member.address != address && matches!(self.record(member.address), Ok(Some(_))));
        let before = record.and_then(|record| record.previous_node);
        // Bound first, this one does not know whose the node became later.
        if (shared && before.is_none()) || self.node(&group).is_none() {
            return Ok(());
        }
        let (uid, gid, mode) = before.unwrap_or((0, 0, 0o600));
        match self.change.give(&group.node, Some(uid), Some(gid), mode) {
            // It may go while we look.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                Err(Error::io(&error, "taking back of the VFIO node").on(address).path(&group.node))
            }
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
