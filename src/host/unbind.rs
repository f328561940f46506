//! Taking a function from whatever driver has it, and leaving it without one.
//!
//! vfio-pci's part of that waits, without end and uninterruptibly, until nobody has the device open. So it is only asked
//! for when nobody does, and by a process of its own: what the kernel keeps waiting all the same is left behind.

use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::record::denied;
use super::{Function, Group, Host};
use crate::pci::Address;
use crate::{Code, Error, ErrorKind, Result};

/// How long the kernel may take to unbind what nobody holds: a driver stops its device, and vfio-pci resets it.
const UNBIND_DEADLINE: Duration = Duration::from_secs(20);

const OPERATION: &str = "unbinding from the driver";

/// How a function is to be unbound.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnbindOptions {
    /// How long to wait for whoever holds the function to let go.
    pub wait: Duration,
    /// Takes a function that is in use by the kernel.
    pub force: bool,
}

/// A function that no driver has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbound {
    /// The function.
    pub address: Address,
    /// The driver that it had; `None` where it had none before.
    pub previous_driver: Option<String>,
}

impl Host {
    /// Takes a function from its driver, be it vfio-pci or another, and leaves it without one. The record of the driver
    /// that it had before is made, or stays, so that [`restore`](Self::restore) gives it back. One without a driver is
    /// success.
    ///
    /// # Errors
    /// `Busy` where a process holds it (E13), or the kernel uses it (fix: `force`); `Permission` without root;
    /// `Precondition` for a bridge; `NotFound` without such a function.
    pub fn unbind(&self, address: Address, options: &UnbindOptions) -> Result<Unbound> {
        let function = self.function(address)?;
        let previous_driver = function.driver.clone();
        if previous_driver.is_none() {
            self.check_left(&function, options.wait)?;
            return Ok(Unbound { address, previous_driver });
        }
        self.check_unbindable(&function, options.force)?;
        self.check_may_change(&function, "unbind")?;
        if function.is_on_vfio() {
            self.wait_until_free(&function, options.wait, "unbind")?;
        } else {
            self.save_record(&self.record_of(&function)?)?;
        }
        if let Err(error) = self.detach(address) {
            let stayed = self.function(address).is_ok_and(|now| now.driver == previous_driver);
            if stayed && !function.is_on_vfio() {
                // The first failure is the one to report; a record too many does no harm.
                self.remove_record(address).unwrap_or_else(|also| log::debug!("{also}"));
            }
            return Err(error);
        }
        log::info!(bdf:% = address; "{address}: unbound from {}", previous_driver.as_deref().unwrap_or_default());
        Ok(Unbound { address, previous_driver })
    }

    /// What [`unbind`](Self::unbind) would do, as shell commands; nothing is changed.
    ///
    /// # Errors
    /// As [`unbind`](Self::unbind), as far as looking tells.
    pub fn plan_unbind(&self, address: Address, options: &UnbindOptions) -> Result<Vec<String>> {
        let function = self.function(address)?;
        if function.driver.is_none() {
            return Ok(Vec::new());
        }
        self.check_unbindable(&function, options.force)?;
        Ok(vec![format!("echo {address} > {}/driver/unbind", function.path().display())])
    }

    fn check_unbindable(&self, function: &Function, force: bool) -> Result<()> {
        let address = function.address;
        if function.is_bridge() {
            return Err(Error::new(ErrorKind::Precondition, OPERATION)
                .on(address)
                .why("it is a bridge, a part of the machine itself")
                .fix("unbind the functions behind it, if there are any: dirql list"));
        }
        if function.is_on_vfio() {
            return Ok(());
        }
        self.check_not_in_use(function, OPERATION, &format!("sudo dirql unbind {address} --force"), force)
    }

    /// Only root sees every holder, so the right comes first.
    pub(super) fn check_may_change(&self, function: &Function, verb: &str) -> Result<()> {
        let path = function.path().join("driver_override");
        access(&path, AccessFlags::W_OK).map_err(|errno| {
            let error = Error::os(errno, OPERATION).on(function.address).path(&path);
            denied(error, function.address, verb)
        })
    }

    /// Waits until nobody holds the function's group.
    pub(super) fn wait_until_free(&self, function: &Function, wait: Duration, verb: &str) -> Result<()> {
        let address = function.address;
        let group = self.group_of(function)?;
        let deadline = Instant::now() + wait;
        loop {
            let holders = self.holders(&group);
            let Some(named) = holders.describe() else { return Ok(()) };
            if Instant::now() >= deadline {
                let pids = holders.found.iter().map(|holder| holder.pid.to_string()).collect::<Vec<_>>();
                return Err(Error::new(ErrorKind::Busy, "unbinding from vfio-pci")
                    .on(address)
                    .path(&group.node)
                    .why(format!("held by {named}; the kernel would wait for it without end"))
                    .fix(format!("sudo kill {}; sudo dirql {verb} {address} --timeout 10", pids.join(" ")))
                    .code(Code::E13));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Nothing, unless vfio-pci is still about to let go of a function that shows no driver any more: then whatever is
    /// asked of it would wait too.
    pub(super) fn check_left(&self, function: &Function, wait: Duration) -> Result<()> {
        let Some(number) = function.iommu_group.filter(|_| function.driver.is_none()) else { return Ok(()) };
        let deadline = Instant::now() + wait;
        loop {
            let group = self.group(number)?;
            // The group's node goes with the last of its functions.
            let mut drivers = group.members.iter().filter_map(|member| member.driver.as_deref());
            if drivers.any(|driver| driver.ends_with("vfio-pci") || driver.ends_with("vfio_pci"))
                || self.node(&group).is_none()
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.unfinished(function.address, Some(&group)).path(&group.node));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes the function from its driver.
    pub(super) fn detach(&self, address: Address) -> Result<()> {
        let function = self.function(address)?;
        let group = function.iommu_group.and_then(|number| self.group(number).ok());
        let path = function.path().join("driver/unbind");
        log::info!(bdf:% = address; "echo {address} > {}", path.display());
        match self.change.write_within(&path, &address.to_string(), UNBIND_DEADLINE) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(self.unfinished(address, group.as_ref()).path(&path))
            }
            Err(error) => {
                Err(denied(Error::io(&error, OPERATION).on(address).path(&path), address, "unbind"))
            }
        }
    }

    /// The kernel waits, and who for, as far as that shows.
    fn unfinished(&self, address: Address, group: Option<&Group>) -> Error {
        let held = group.and_then(|group| self.holders(group).describe()).map(|who| format!("held by {who}"));
        // The open device alone does not say which it is, on kernels before 6.18.
        let some = || self.device_holders().describe();
        let who = held.or_else(|| Some(format!("perhaps for {}, which got it from another", some()?)));
        Error::os(Errno::EBUSY, OPERATION)
            .on(address)
            .why(format!(
                "the kernel still waits: {}",
                who.as_deref().unwrap_or("its driver does not finish")
            ))
            .fix(format!(
                "end that process: then the unbinding ends too; and again: sudo dirql restore {address}"
            ))
            .code(Code::E13)
    }
}

#[cfg(test)]
#[path = "unbind_tests.rs"]
mod tests;
