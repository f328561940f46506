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
    pub fn in_use(&self, function: &Function) -> Vec<String> {
        let mut reasons = Vec::new();
        if function.is_boot_display {
            reasons.push("it is the boot display".to_string());
        }
        for child in children(function.path()) {
            match child.kind {
                Kind::Network => self.network_in_use(&child, &mut reasons),
                Kind::Disk => self.disk_in_use(&child, &mut reasons),
            }
        }
        reasons
    }

    fn network_in_use(&self, child: &Child, reasons: &mut Vec<String>) {
        if let Some(master) = files::link_name(child.path.join("master")) {
            reasons.push(format!("its network interface {} belongs to {master}", child.name));
        } else if files::number(child.path.join("flags")).is_some_and(|flags| flags & IFF_UP != 0) {
            reasons.push(format!("its network interface {} is up", child.name));
        }
    }

    fn disk_in_use(&self, child: &Child, reasons: &mut Vec<String>) {
        // With NVMe multipath the function has nvme0c1n1, and what is mounted is nvme0n1, elsewhere in sysfs.
        if let Some(head) = multipath_head(&child.name)
            && let Ok(path) = fs::canonicalize(self.sys.join("class/block").join(&head))
        {
            let mut all = children(&path);
            all.push(Child { name: head, kind: Kind::Disk, path });
            all.iter().for_each(|child| self.disk_in_use(child, reasons));
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
            reasons.push(format!("its disk {name} is mounted on {point}"));
        } else if swaps.lines().any(|line| line.split_whitespace().next() == Some(&node)) {
            reasons.push(format!("its disk {name} holds swap space in use"));
        } else if !holders.is_empty() {
            reasons.push(format!("its disk {name} is held by {}", holders.join(", ")));
        } else if let Some(content) = self.content(&number) {
            reasons.push(format!("its disk {name} carries {content}"));
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
        host.in_use(&host.function(address.parse().unwrap()).unwrap())
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
