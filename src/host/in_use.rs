//! What would be lost if a function were taken from the kernel now.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Function, Host, files};
use crate::pci::Address;

/// How deep an interface or disk may lie below its function: SATA disks lie seven deep.
const DEPTH: usize = 32;

/// IFF_UP of the interface's flags.
const IFF_UP: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Network,
    Disk,
}

/// A use of a function by the kernel, which taking it would end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What would be lost.
    pub what: String,
    /// The command that ends it in good order, where there is one.
    pub end: Option<String>,
}

impl Use {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), end: None }
    }

    fn ended_by(self, end: String) -> Self {
        Self { end: Some(end), ..self }
    }

    /// The command that ends them all, where each has one.
    pub(super) fn end_of(uses: &[Self]) -> Option<String> {
        let ends: Option<Vec<_>> = uses.iter().map(|one| one.end.clone()).collect();
        ends.filter(|ends| !ends.is_empty()).map(|ends| ends.join(" && "))
    }

    /// What would be lost, in one line.
    pub(super) fn all(uses: &[Self]) -> String {
        uses.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// A network interface, disk or partition that a driver made of a function.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) name: String,
    pub(super) kind: Kind,
    path: PathBuf,
}

/// What the kernel's driver made of the function in `directory`, sorted by name.
pub(super) fn children(directory: &Path) -> Vec<Child> {
    let mut found = Vec::new();
    descend(directory, DEPTH, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn descend(directory: &Path, depth: usize, found: &mut Vec<Child>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        // Links lead out of the function; another function is not ours.
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || name.parse::<Address>().is_ok() {
            continue;
        }
        let path = entry.path();
        let kind = match files::link_name(path.join("subsystem")).as_deref() {
            Some("net") => Some(Kind::Network),
            Some("block") => Some(Kind::Disk),
            _ => None,
        };
        if depth > 0 {
            descend(&path, depth - 1, found);
        }
        if let Some(kind) = kind {
            found.push(Child { name, kind, path });
        }
    }
}

impl Host {
    /// Why the function should not be taken from the kernel now; empty where nothing speaks against it.
    pub fn in_use(&self, function: &Function) -> Vec<Use> {
        let mut uses = Vec::new();
        if function.is_boot_display {
            uses.push(Use::new("it is the boot display"));
        }
        for child in children(function.path()) {
            match child.kind {
                Kind::Network => self.network_in_use(&child, &mut uses),
                Kind::Disk => self.disk_in_use(&child, &mut uses),
            }
        }
        uses
    }

    fn network_in_use(&self, child: &Child, uses: &mut Vec<Use>) {
        if let Some(master) = files::link_name(child.path.join("master")) {
            let what = format!("its network interface {} belongs to {master}", child.name);
            uses.push(
                Use::new(what).ended_by(format!(
                    "sudo ip link set {0} nomaster && sudo ip link set {0} down",
                    child.name
                )),
            );
        } else if files::number(child.path.join("flags")).is_some_and(|flags| flags & IFF_UP != 0) {
            let what = format!("its network interface {} is up", child.name);
            uses.push(Use::new(what).ended_by(format!("sudo ip link set {} down", child.name)));
        }
    }

    fn disk_in_use(&self, child: &Child, uses: &mut Vec<Use>) {
        // With NVMe multipath the function has nvme0c1n1, and what is mounted is nvme0n1, elsewhere in sysfs.
        if let Some(head) = multipath_head(&child.name)
            && let Ok(path) = fs::canonicalize(self.sys.join("class/block").join(&head))
        {
            let mut all = children(&path);
            all.push(Child { name: head, kind: Kind::Disk, path });
            all.iter().for_each(|child| self.disk_in_use(child, uses));
            return;
        }
        let (name, node) = (&child.name, format!("/dev/{}", child.name));
        let number = files::text(child.path.join("dev")).unwrap_or_default();
        let mounts = files::text(self.proc.join("self/mountinfo")).unwrap_or_default();
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(2);
            let (device, point) = (fields.next()?, fields.nth(1)?);
            // btrfs has device numbers of its own, but names the disk.
            let source = line.split_once(" - ")?.1.split(' ').nth(1)?;
            (device == number || source == node).then(|| point.to_string())
        });
        let swaps = files::text(self.proc.join("swaps")).unwrap_or_default();
        let holders = files::names(child.path.join("holders"));
        if let Some(point) = mount {
            let end = format!("sudo umount {point}");
            uses.push(Use::new(format!("its disk {name} is mounted on {point}")).ended_by(end));
        } else if swaps.lines().any(|line| line.split_whitespace().next() == Some(&node)) {
            let end = format!("sudo swapoff {node}");
            uses.push(Use::new(format!("its disk {name} holds swap space in use")).ended_by(end));
        } else if !holders.is_empty() {
            uses.push(Use::new(format!("its disk {name} is held by {}", holders.join(", "))));
        } else if let Some(content) = self.content(&number) {
            uses.push(Use::new(format!("its disk {name} carries {content}")));
        }
    }

    /// What udev saw on the disk of this device number, if it is worth keeping.
    fn content(&self, number: &str) -> Option<String> {
        let text = files::text(self.run.join("udev/data").join(format!("b{number}")))?;
        text.lines().find_map(|line| line.strip_prefix("E:ID_FS_TYPE=")).map(str::to_string)
    }
}

/// `nvme0n1` for `nvme0c1n1`.
fn multipath_head(name: &str) -> Option<String> {
    let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
    let (path, namespace) = rest.split_once('n')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(subsystem) && digits(path)).then(|| format!("nvme{subsystem}n{namespace}"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    fn reasons(machine: &Machine, address: &str) -> Vec<String> {
        let host = machine.host();
        let uses = host.in_use(&host.function(address.parse().unwrap()).unwrap());
        uses.into_iter().map(|one| one.what).collect()
    }

    #[test]
    fn an_interface_counts_while_it_is_up_or_enslaved() {
        let machine = Machine::new();
        let address = "0000:00:03.0";
        machine.function(address, 0x8086, 0x100e, Some("e1000"), Some(3));
        let path = machine.network(address, "eth1", 0x1002);
        assert!(reasons(&machine, address).is_empty());
        machine.file(&format!("{path}/flags"), "0x1003\n");
        assert_eq!(reasons(&machine, address), ["its network interface eth1 is up"]);
        machine.link(&format!("{path}/master"), "../br0");
        assert_eq!(reasons(&machine, address), ["its network interface eth1 belongs to br0"]);
        machine.network(address, "eth2", 0x1003);
        let host = machine.host();
        let uses = host.in_use(&host.function(address.parse().unwrap()).unwrap());
        assert_eq!(
            Use::end_of(&uses).as_deref(),
            Some(
                "sudo ip link set eth1 nomaster && sudo ip link set eth1 down && sudo ip link set eth2 down"
            )
        );
        assert_eq!(Use::end_of(&[uses[0].clone(), Use::new("something else")]), None);
    }

    #[test]
    fn a_disk_counts_while_mounted_swapped_held_or_full() {
        let machine = Machine::new();
        let address = "0000:00:04.0";
        machine.function(address, 0x1b36, 0x0010, Some("nvme"), Some(4));
        let disk = machine.disk(address, "nvme/nvme0/nvme0n1", "259:0");
        machine.disk(address, "nvme/nvme0/nvme0n1/nvme0n1p1", "259:1");
        assert!(reasons(&machine, address).is_empty());
        machine.file("run/udev/data/b259:1", "S:disk/by-id/x\nE:ID_FS_TYPE=ext4\n");
        assert_eq!(reasons(&machine, address), ["its disk nvme0n1p1 carries ext4"]);
        machine.file(&format!("{disk}/holders/dm-0"), "");
        machine.file("proc/swaps", "Filename Type\n/dev/nvme0n1p1 partition 1 0 -2\n");
        assert_eq!(
            reasons(&machine, address),
            ["its disk nvme0n1 is held by dm-0", "its disk nvme0n1p1 holds swap space in use"]
        );
        machine.file("proc/self/mountinfo", "22 1 259:1 / /data rw shared:1 - ext4 /dev/nvme0n1p1 rw\n");
        assert_eq!(reasons(&machine, address)[1], "its disk nvme0n1p1 is mounted on /data");
    }

    #[test]
    fn multipath_leads_to_the_head() {
        assert_eq!(multipath_head("nvme0c1n2").as_deref(), Some("nvme0n2"));
        assert_eq!(multipath_head("nvme0n2"), None);
        assert_eq!(multipath_head("sdc1"), None);
    }
}
