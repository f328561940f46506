//! Taking a function from the kernel: a transaction by `driver_override`.
//!
//! The steps, each of which can fail and is then taken back: record the driver; write `vfio-pci` to
//! `driver_override`; unbind from the driver; write the address to `drivers_probe`; see that `driver` says
//! `vfio-pci`; clear the override; wait for the node; give it to its owner. `new_id` is never written: it is global,
//! and would take every other device of the same ID too.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::persist::RuleBefore;
use super::record::{denied, with_also};
use super::{Function, Group, Host, Member, Node, Owner, Record, VFIO_PCI, files};
use crate::pci::Address;
use crate::{Code, Error, ErrorKind, Result};

/// How long a node may take to appear: udev is at work in between.
const NODE_DEADLINE: Duration = Duration::from_secs(2);

/// How a function is to be bound.
#[derive(Debug, Clone, Default)]
pub struct BindOptions {
    /// To whom the group's node is given; `None` leaves it with root.
    pub owner: Option<Owner>,
    /// Takes a function that is in use.
    pub force: bool,
    /// Leaves a rule of udev that binds it again at each start.
    pub persist: bool,
}

/// A function that vfio-pci has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The function.
    pub address: Address,
    /// Its IOMMU group.
    pub group: u32,
    /// The group's node, as it is now; of the device where the kernel has no groups.
    pub node: Node,
    /// The driver that it had, as far as it is known.
    pub previous_driver: Option<String>,
    /// Whether vfio-pci had it already, so that at most the owner changed.
    pub was_bound: bool,
    /// The rule of udev that binds it at each start, if there is one.
    pub rule: Option<PathBuf>,
    /// The members of its group that still keep it from being used.
    pub blocking: Vec<Member>,
    /// Whose the node was before it was given to another, if it was.
    given_from: Option<Node>,
    /// The rule that it had before this one, if one was written.
    rule_before: Option<RuleBefore>,
}

impl Host {
    /// Binds a function to vfio-pci, and gives its node to the owner. One that is bound already is success.
    ///
    /// # Errors
    /// `NotFound` without such a function; `Permission` without root; `Busy` (fix: `force`) where it is in use;
    /// `Precondition` where the kernel cannot hand it out. Whatever fails, the function is back on its driver, or
    /// the record of it stays for [`restore`](Self::restore).
    pub fn bind(&self, address: Address, options: &BindOptions) -> Result<Bound> {
        let function = self.function(address)?;
        if function.is_on_vfio() {
            let previous = self.record(address)?.and_then(|record| record.previous_driver);
            let rule = self.write_rule(&function, options)?;
            return match self.hand_over(&function, options) {
                Ok(handed) => self.bound(address, handed, previous, true, rule),
                Err(error) => Err(self.undo_rule(address, rule.as_ref(), error)),
            };
        }
        self.check_bindable(&function, options.force)?;
        self.check_left(&function, Duration::ZERO)?;
        let record = self.record_of(&function)?;
        self.save_record(&record)?;
        // Before the function: udev knows whose its node is when it comes.
        let rule = match self.write_rule(&function, options) {
            Ok(rule) => rule,
            Err(error) => return Err(self.roll_back(&record, error)),
        };
        match self.take(&function).and_then(|()| self.hand_over(&function, options)) {
            Ok(handed) => {
                log::info!(bdf:% = address; "{address}: bound to vfio-pci");
                self.bound(address, handed, record.previous_driver, false, rule)
            }
            Err(error) => {
                let error = self.undo_rule(address, rule.as_ref(), error);
                Err(self.roll_back(&record, error))
            }
        }
    }

    /// Binds several functions, all or none: where one fails, those bound before it are restored.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_all(&self, addresses: &[Address], options: &BindOptions) -> Result<Vec<Bound>> {
        let mut done: Vec<Bound> = Vec::new();
        for &address in addresses {
            match self.bind(address, options) {
                Ok(bound) => done.push(bound),
                Err(error) => {
                    return Err(done.iter().rev().fold(error, |error, bound| {
                        let undone = self.undo(bound);
                        undone.err().map_or(error.clone(), |also| with_also(error, bound.address, &also))
                    }));
                }
            }
        }
        Ok(done)
    }

    /// What [`bind`](Self::bind) would do, as shell commands; nothing is changed.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), as far as looking tells.
    pub fn plan_bind(&self, address: Address, options: &BindOptions) -> Result<Vec<String>> {
        let function = self.function(address)?;
        let mut steps = Vec::new();
        if options.persist {
            let (path, text) = self.rule_for(&function, options.owner.as_ref())?;
            steps.push(format!("cat > {} << 'END'\n{text}END", path.display()));
            steps.push("udevadm control --reload".into());
        }
        if !function.is_on_vfio() {
            self.check_bindable(&function, options.force)?;
            let path = function.path().display();
            if !self.driver_path(VFIO_PCI).exists() {
                steps.push(format!("modprobe {VFIO_PCI}"));
            }
            steps.push(format!("echo {VFIO_PCI} > {path}/driver_override"));
            if function.driver.is_some() {
                steps.push(format!("echo {address} > {path}/driver/unbind"));
            }
            steps.push(format!("echo {address} > {}", self.probe_path().display()));
            steps.push(format!("echo > {path}/driver_override"));
        }
        if let Some(owner) = &options.owner {
            let group = self.group_of(&function)?;
            steps.push(format!("chown {owner} {}", group.node.display()));
            steps.push(format!("chmod {:04o} {}", owner.mode(), group.node.display()));
        }
        Ok(steps)
    }

    /// Writes the rule, where the options want one.
    fn write_rule(&self, function: &Function, options: &BindOptions) -> Result<Option<RuleBefore>> {
        options.persist.then(|| self.persist(function, options.owner.as_ref())).transpose()
    }

    fn check_bindable(&self, function: &Function, force: bool) -> Result<()> {
        let address = function.address;
        let refused = |kind| Error::new(kind, "binding to vfio-pci").on(address);
        if function.is_bridge() {
            return Err(refused(ErrorKind::Precondition)
                .why("it is a bridge, a part of the machine itself")
                .fix("bind the functions behind it, if there are any: dirql list")
                .code(Code::E3));
        }
        if function.virtual_functions > 0 {
            return Err(refused(ErrorKind::Busy)
                .why(format!("{} virtual functions (SR-IOV) of it are on", function.virtual_functions))
                .fix(format!("echo 0 | sudo tee {}/sriov_numvfs", function.path().display()))
                .code(Code::E3));
        }
        if function.iommu_group.is_none() {
            return Err(self.no_iommu(function, "binding to vfio-pci"));
        }
        let take = format!("sudo dirql bind {address} --force");
        self.check_not_in_use(function, "binding to vfio-pci", &take, force)
    }

    pub(super) fn record_of(&self, function: &Function) -> Result<Record> {
        let module = function.path().join("driver/module");
        // An earlier attempt that was cut short left the function without a driver, and knows which it had.
        let earlier = self.record(function.address).ok().flatten();
        if let (None, Some(earlier)) = (&function.driver, earlier) {
            return Ok(earlier);
        }
        let group = function.iommu_group.and_then(|number| self.group(number).ok());
        let node = group.and_then(|group| self.node(&group));
        Ok(Record {
            address: function.address,
            previous_driver: function.driver.clone(),
            previous_module: files::link_name(module),
            previous_override: function.driver_override().filter(|name| name != VFIO_PCI),
            iommu_group: function.iommu_group,
            previous_node: node.map(|node| (node.uid, node.gid, node.mode)),
        })
    }

    fn take(&self, function: &Function) -> Result<()> {
        let address = function.address;
        self.load_vfio(function)?;
        self.set_override(function, Some(VFIO_PCI))?;
        if function.driver.is_some() {
            self.detach(address)?;
        }
        self.probe(address)?;
        if !self.function(address)?.is_on_vfio() {
            // The probe does not say why a driver declined; asking the driver itself does.
            let path = self.driver_path(VFIO_PCI).join("bind");
            if let Err(error) = self.change.write(&path, &address.to_string()) {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return Err(self.explain_bind(function, errno));
            }
        }
        match self.function(address)?.driver.as_deref() {
            Some(VFIO_PCI) => self.set_override(function, None),
            other => Err(Error::new(ErrorKind::Failure, "binding to vfio-pci")
                .on(address)
                .code(Code::E3)
                .why(format!(
                    "the kernel accepted it, but the function is on {}",
                    other.unwrap_or("no driver")
                ))),
        }
    }

    fn load_vfio(&self, function: &Function) -> Result<()> {
        if !self.driver_path(VFIO_PCI).exists() {
            self.change.load(VFIO_PCI).map_err(|error| {
                denied(
                    Error::io(&error, "loading of vfio-pci").on(function.address),
                    function.address,
                    "bind",
                )
                .kind_is(ErrorKind::Precondition)
                .why(format!("the module vfio-pci is not loaded, and loading it failed: {error}"))
                .fix("sudo modprobe vfio-pci; where there is no such module, install the kernel's modules")
                .code(Code::E3)
            })?;
        }
        // vfio-pci asks for it softly, and some modprobes do not listen. Opening the device says if it is missing.
        if !self.sys.join("module/vfio_iommu_type1").exists()
            && let Err(error) = self.change.load("vfio_iommu_type1")
        {
            log::debug!("loading of vfio_iommu_type1 failed: {error}");
        }
        Ok(())
    }

    /// Takes back what one bind of several did: the device, or where it was bound already, only its node.
    fn undo(&self, bound: &Bound) -> Result<()> {
        if let Some(rule) = &bound.rule_before {
            self.put_rule_back(bound.address, rule)?;
        }
        if !bound.was_bound {
            return self.restore_driver(bound.address, &super::RestoreOptions::default()).map(drop);
        }
        bound.given_from.as_ref().map_or(Ok(()), |node| self.give_back(bound.address, node))
    }

    fn give_back(&self, address: Address, node: &Node) -> Result<()> {
        self.give(address, &node.path, Some(node.uid), Some(node.gid), node.mode)
    }

    /// Waits for the node and gives it to its owner; the node as it is now, and as it was if it was given.
    fn hand_over(&self, function: &Function, options: &BindOptions) -> Result<(Node, Option<Node>)> {
        let address = function.address;
        let group = self.group_of(function)?;
        let path = self.wait_for_node(function, &group)?;
        self.settle_nodes();
        let gone = || self.explain_open_group(address, group.number, Errno::ENOENT);
        let before = Node::read(&path).ok_or_else(gone)?;
        let Some(owner) = &options.owner else { return Ok((before, None)) };
        let device = self.device_node(function).filter(|device| *device != path && device.exists());
        let given = [Some(&path), device.as_ref()]
            .into_iter()
            .flatten()
            .try_for_each(|path| self.give(address, path, owner.uid, owner.gid, owner.mode()));
        match given.and_then(|()| Node::read(&path).ok_or_else(gone)) {
            Ok(now) => Ok((now, Some(before))),
            Err(error) => Err(match self.give_back(address, &before) {
                Ok(()) => error,
                Err(also) => with_also(error, address, &also),
            }),
        }
    }

    fn wait_for_node(&self, function: &Function, group: &Group) -> Result<PathBuf> {
        let deadline = Instant::now() + NODE_DEADLINE;
        loop {
            if group.node.exists() {
                return Ok(group.node.clone());
            }
            if Instant::now() >= deadline {
                // A kernel without groups has the node of the device alone.
                return self
                    .device_node(function)
                    .filter(|path| path.exists())
                    .ok_or_else(|| self.explain_open_group(function.address, group.number, Errno::ENOENT));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn bound(
        &self,
        address: Address,
        (node, given_from): (Node, Option<Node>),
        previous: Option<String>,
        was_bound: bool,
        rule_before: Option<RuleBefore>,
    ) -> Result<Bound> {
        let group = self.group_of(&self.function(address)?)?;
        let blocking = group.blocking().into_iter().cloned().collect();
        let (group, previous_driver) = (group.number, previous);
        let rule = self.persistent_rule(address);
        Ok(Bound {
            address,
            group,
            node,
            previous_driver,
            was_bound,
            rule,
            blocking,
            given_from,
            rule_before,
        })
    }

    /// Puts the function back after `error`, and says so where even that failed.
    fn roll_back(&self, record: &Record, error: Error) -> Error {
        let address = record.address;
        // The kernel is not done with it: whatever is asked of it now would wait too.
        if error.catalogue_code() == Some(Code::E13) {
            return error;
        }
        match self.put_back(record).and_then(|_| self.remove_record(address)) {
            Ok(()) => error,
            Err(also) => with_also(error, address, &also),
        }
    }

    /// The group of a function that must have one.
    pub(super) fn group_of(&self, function: &Function) -> Result<Group> {
        match function.iommu_group {
            Some(number) => self.group(number).map_err(|error| error.on(function.address)),
            None => Err(self.no_iommu(function, "look-up of the IOMMU group")),
        }
    }

    pub(super) fn probe_path(&self) -> PathBuf {
        self.sys.join("bus/pci/drivers_probe")
    }

    pub(super) fn set_override(&self, function: &Function, driver: Option<&str>) -> Result<()> {
        let path = function.path().join("driver_override");
        let text = format!("{}\n", driver.unwrap_or(""));
        self.write(function.address, &path, &text, "writing of the driver override")
    }

    pub(super) fn probe(&self, address: Address) -> Result<()> {
        self.write(address, &self.probe_path(), &address.to_string(), "probing for a driver")
    }

    pub(super) fn write(&self, address: Address, path: &Path, text: &str, operation: &str) -> Result<()> {
        log::info!(bdf:% = address; "echo {} > {}", text.trim(), path.display());
        self.change
            .write(path, text)
            .map_err(|error| denied(Error::io(&error, operation).on(address).path(path), address, "bind"))
    }

    pub(super) fn give(
        &self,
        address: Address,
        path: &Path,
        uid: Option<u32>,
        gid: Option<u32>,
        mode: u32,
    ) -> Result<()> {
        self.change.give(path, uid, gid, mode).map_err(|error| {
            denied(Error::io(&error, "giving of the VFIO node").on(address).path(path), address, "bind")
        })
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
