//! Whether a function can be opened now, and if not, why not: all by looking, nothing by trying.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::{Function, Group, Host};
use crate::{Code, Error, ErrorKind, Result};

const OPERATION: &str = "open of the device";

/// Whether a function can be opened by this process.
#[derive(Debug, Clone)]
pub struct Usability {
    /// What stands in the way; `None` where nothing does.
    pub problem: Option<Error>,
}

impl Usability {
    /// Whether nothing stands in the way.
    pub fn is_usable(&self) -> bool {
        self.problem.is_none()
    }

    /// What stands in the way, in a sentence.
    pub fn why_not(&self) -> Option<String> {
        self.problem.as_ref()?.cause().map(str::to_string)
    }
}

impl Host {
    /// Whether `function` can be opened by this process now.
    pub fn usable(&self, function: &Function) -> Usability {
        Usability { problem: self.problem(function).err() }
    }

    /// The IOMMU group of a function, if vfio-pci has it and an IOMMU translates for it: what is to be
    /// known before its node is opened.
    ///
    /// # Errors
    /// `NotFound` without such a function; `Precondition` where it has no group (E3), is not on vfio-pci (E2), or is
    /// in a group without an IOMMU (E6).
    pub fn openable(&self, function: &Function) -> Result<Group> {
        let address = function.address;
        let Some(number) = function.iommu_group else {
            return Err(self.no_iommu(function, OPERATION));
        };
        if !function.is_on_vfio() {
            if function.is_bridge() {
                return Err(Error::new(ErrorKind::Precondition, OPERATION)
                    .on(address)
                    .why("it is a bridge, which vfio-pci does not take")
                    .code(Code::E3));
            }
            return Err(self.not_on_vfio(function, OPERATION));
        }
        let group = self.group(number).map_err(|error| error.on(address))?;
        if group.is_noiommu {
            return Err(self
                .explain_open_group(address, number, Errno::EPERM)
                .kind_is(ErrorKind::Precondition));
        }
        Ok(group)
    }

    fn problem(&self, function: &Function) -> Result<()> {
        let address = function.address;
        let group = self.openable(function)?;
        let number = group.number;
        if !group.blocking().is_empty() {
            return Err(self.explain_not_viable(address, number));
        }
        if !group.node.exists() {
            return Err(self.explain_open_group(address, number, Errno::ENOENT));
        }
        if let Err(errno) = may_open(&group.node) {
            return Err(self.explain_open_group(address, number, errno));
        }
        if !self.holders(&group).found.is_empty() {
            return Err(self.explain_open_group(address, number, Errno::EBUSY));
        }
        Ok(())
    }

    /// What is said of a function that a driver of the kernel has, or none.
    pub(super) fn not_on_vfio(&self, function: &Function, operation: &str) -> Error {
        let address = function.address;
        let why = match &function.driver {
            Some(driver) => format!("the kernel's driver {driver} has it"),
            None => "it is not bound to vfio-pci, and has no other driver either".to_string(),
        };
        Error::new(ErrorKind::Precondition, operation)
            .on(address)
            .why(why)
            .fix(format!("sudo dirql bind {address} --owner $USER"))
            .code(Code::E2)
    }
}

/// Whether this process, as its effective user, may read and write a node.
pub(super) fn may_open(path: &Path) -> Result<(), Errno> {
    faccessat(AT_FDCWD, path, AccessFlags::R_OK | AccessFlags::W_OK, AtFlags::AT_EACCESS)
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    fn openable(host: &Host, address: &str) -> Result<Group> {
        host.openable(&host.function(address.parse().unwrap())?)
    }

    fn problem(machine: &Machine, address: &str) -> Option<Error> {
        let host = machine.host();
        host.usable(&host.function(address.parse().unwrap()).unwrap()).problem
    }

    #[test]
    fn each_obstacle_in_its_turn() {
        let (machine, nic, twin) = (Machine::new(), "0000:01:00.0", "0000:01:01.0");
        machine.function("0000:00:02.0", 0x1234, 0x1111, None, None);
        let error = problem(&machine, "0000:00:02.0").unwrap();
        assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E3)));
        assert_eq!(error.raw_errno(), None);
        assert_eq!(openable(&machine.host(), "0000:00:02.0").unwrap_err().kind(), error.kind());
        let absent = openable(&machine.host(), "0000:00:09.0").unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);

        machine.function(nic, 0x8086, 0x100e, Some("e1000"), Some(5));
        machine.function(twin, 0x8086, 0x100e, Some("e1000"), Some(5));
        let error = problem(&machine, nic).unwrap();
        assert_eq!(error.kind(), ErrorKind::Precondition);
        assert!(error.cause().unwrap().contains("e1000"));

        let host = machine.host();
        host.bind(nic.parse().unwrap(), &super::super::BindOptions::default()).unwrap();
        let error = problem(&machine, nic).unwrap();
        assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E4)));
        assert!(error.cause().unwrap().contains(&format!("{twin} (e1000)")), "{error}");

        host.bind(twin.parse().unwrap(), &super::super::BindOptions::default()).unwrap();
        assert!(problem(&machine, nic).is_none());
        assert_eq!(openable(&host, nic).unwrap().number, 5);

        machine.process(812, "dirql", &["dev/vfio/5"]);
        let usability = host.usable(&host.function(nic.parse().unwrap()).unwrap());
        assert!(!usability.is_usable());
        assert!(usability.why_not().unwrap().contains("812"));
        assert_eq!(usability.problem.unwrap().kind(), ErrorKind::Busy);

        std::fs::remove_file(machine.path("dev/vfio/5")).unwrap();
        let error = problem(&machine, nic).unwrap();
        assert_eq!(error.catalogue_code(), Some(Code::E2));
    }
}
