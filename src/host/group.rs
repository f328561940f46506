//! IOMMU groups: what VFIO hands out, all of it or none.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group as UnixGroup, Uid, User};

use super::{Host, VFIO_PCI, files};
use crate::pci::{Address, ClassCode};
use crate::{Error, ErrorKind, Result};

/// The functions that an IOMMU cannot tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub number: u32,
    /// Whether it is made up by vfio for a function without an IOMMU: nothing is translated, nothing protected.
    pub is_noiommu: bool,
    /// Its functions, sorted by address.
    pub members: Vec<Member>,
    /// Where its node is once a member is on vfio-pci: `/dev/vfio/N`.
    pub node: PathBuf,
}

/// A function of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it sits.
    pub address: Address,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// Class code.
    pub class: ClassCode,
}

impl Member {
    /// Whether its driver does DMA of its own, which makes the whole group unusable for VFIO. The kernel (5.19 and
    /// later) tolerates the drivers that say `driver_managed_dma`: vfio-pci and its variants, pcieport, pci-stub.
    pub fn is_blocking(&self) -> bool {
        match self.driver.as_deref() {
            None | Some(VFIO_PCI | "pcieport" | "pci-stub") => false,
            Some(driver) => !(driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci")),
        }
    }
}

impl Group {
    /// The members whose drivers keep the group from being used.
    pub fn blocking(&self) -> Vec<&Member> {
        self.members.iter().filter(|member| member.is_blocking()).collect()
    }
}

/// The node of a group, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub path: PathBuf,
    /// The user that owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
}

impl Node {
    pub(super) fn read(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let (uid, gid, mode) = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        Some(Self { path: path.to_path_buf(), uid, gid, mode })
    }

    /// Owner and group by name, and the mode: `root:root 0600`.
    pub fn ownership(&self) -> String {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        let group = UnixGroup::from_gid(Gid::from_raw(self.gid)).ok().flatten();
        format!(
            "{}:{} {:04o}",
            user.map_or_else(|| self.uid.to_string(), |user| user.name),
            group.map_or_else(|| self.gid.to_string(), |group| group.name),
            self.mode
        )
    }
}

impl Host {
    /// The IOMMU group of this number.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub fn group(&self, number: u32) -> Result<Group> {
        let path = self.sys.join("kernel/iommu_groups").join(number.to_string());
        if !path.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, format!("look-up of IOMMU group {number}"))
                .path(path)
                .why("there is no such group")
                .fix("dirql list"));
        }
        let mut members: Vec<Member> = files::names(path.join("devices"))
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter_map(|address| {
                let function = self.function(address).ok()?;
                Some(Member { address, driver: function.driver, class: function.class })
            })
            .collect();
        members.sort_unstable_by_key(|member| member.address);
        let is_noiommu = files::text(path.join("name")).as_deref() == Some("vfio-noiommu");
        let name = if is_noiommu { format!("noiommu-{number}") } else { number.to_string() };
        Ok(Group { number, is_noiommu, members, node: self.dev.join("vfio").join(name) })
    }

    /// The functions of a group that can be bound: all but its bridges.
    ///
    /// # Errors
    /// `NotFound` where there is no such group; `Precondition` for one that holds bridges only.
    pub fn bindable(&self, number: u32) -> Result<Vec<Address>> {
        let group = self.group(number)?;
        let bindable =
            |member: &Member| self.function(member.address).is_ok_and(|function| !function.is_bridge());
        let addresses: Vec<Address> =
            group.members.iter().filter(|member| bindable(member)).map(|member| member.address).collect();
        if addresses.is_empty() {
            return Err(Error::new(ErrorKind::Precondition, format!("binding of IOMMU group {number}"))
                .why("it holds nothing but bridges, which vfio-pci does not take")
                .fix("dirql list"));
        }
        Ok(addresses)
    }

    /// Where the node of VFIO's containers is.
    pub fn container_node(&self) -> PathBuf {
        self.dev.join("vfio/vfio")
    }

    /// The node of a group; `None` while it does not exist, which is while no member is on vfio-pci.
    pub fn node(&self, group: &Group) -> Option<Node> {
        Node::read(&group.node)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use crate::ErrorKind;

    #[test]
    fn bridges_and_driverless_functions_do_not_block() {
        let machine = Machine::new();
        machine.function("0000:00:1c.0", 0x8086, 0x3420, Some("pcieport"), Some(5));
        machine.function("0000:01:00.0", 0x8086, 0x10d3, Some("vfio-pci"), Some(5));
        machine.function("0000:01:00.1", 0x8086, 0x10d3, None, Some(5));
        machine.function("0000:01:00.2", 0x15b3, 0x101e, Some("mlx5_vfio_pci"), Some(5));
        let group = machine.host().group(5).unwrap();
        assert_eq!((group.members.len(), group.blocking().len()), (4, 0));
        machine.function("0000:01:00.3", 0x8086, 0x10d3, Some("e1000e"), Some(5));
        let group = machine.host().group(5).unwrap();
        let blocking: Vec<_> = group.blocking().iter().map(|m| m.address.to_string()).collect();
        assert_eq!(blocking, ["0000:01:00.3"]);
        assert!(group.node.ends_with("dev/vfio/5") && !group.is_noiommu);
        assert_eq!(machine.host().group(6).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_made_up_group_has_another_node() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x100e, Some("vfio-pci"), Some(0));
        machine.file("sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
        let group = machine.host().group(0).unwrap();
        assert!(group.is_noiommu && group.node.ends_with("noiommu-0"));
    }
}
