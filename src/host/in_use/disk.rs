//! Disks and partitions: mounted, swapped on, held, or with something on them.

use std::fs;

use super::super::{Host, files};
use super::{Child, Kind, Use, children};
use crate::pci::Address;

/// How many disks may lie on each other: an encrypted volume of a mirror has three.
const STACKED: usize = 8;

impl Host {
    pub(super) fn disk_in_use(&self, child: &Child, function: Address, uses: &mut Vec<Use>) {
        // With NVMe multipath the function has nvme0c1n1, and what is mounted is nvme0n1, elsewhere in sysfs.
        if let Some(head) = multipath_head(&child.name)
            && let Ok(path) = fs::canonicalize(self.sys.join("class/block").join(&head))
        {
            let mut all = children(&path);
            all.push(Child { name: head, kind: Kind::Disk, path });
            all.iter().for_each(|child| self.disk_in_use(child, function, uses));
            return;
        }
        if self.working(child, STACKED, uses) {
            return;
        }
        let number = files::text(child.path.join("dev")).unwrap_or_default();
        let name = &child.name;
        match self.content(name, &number) {
            Content::Nothing => {}
            Content::Has(what) => uses.push(Use::new(format!("its disk {name} carries {what}"))),
            Content::Unseen => {
                let what = format!("its disk {name} may carry data: only root may look");
                // The same command, by root, looks and refuses where there is something.
                uses.push(Use::new(what).ended_by(format!("sudo dirql bind {function} --owner $USER")));
            }
        }
    }

    /// Says what works with a disk, and before it what works with those that lie on it; whether there was anything.
    fn working(&self, child: &Child, depth: usize, uses: &mut Vec<Use>) -> bool {
        let (name, node) = (&child.name, format!("/dev/{}", child.name));
        let mapped = files::text(child.path.join("dm/name")).map(|name| format!("/dev/mapper/{name}"));
        let is_it = |path: &str| path == node || mapped.as_deref() == Some(path);
        let number = files::text(child.path.join("dev")).unwrap_or_default();
        let mounts = files::text(self.proc.join("self/mountinfo")).unwrap_or_default();
        let points: Vec<String> = mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(2);
                let (device, point) = (fields.next()?, fields.nth(1)?);
                // btrfs has device numbers of its own, but names the disk.
                let source = line.split_once(" - ")?.1.split(' ').nth(1)?;
                (device == number || is_it(source)).then(|| plain(point))
            })
            .collect();
        let swaps = files::text(self.proc.join("swaps")).unwrap_or_default();
        let holders = files::names(child.path.join("holders"));
        if !points.is_empty() {
            let what = format!("its disk {name} is mounted on {}", points.join(", "));
            // The last one lies on top.
            let ends: Vec<_> = points.iter().rev().map(|point| quoted(point)).collect();
            uses.push(Use::new(what).ended_by(format!("sudo umount {}", ends.join(" "))));
        } else if swaps.lines().any(|line| line.split_whitespace().next().is_some_and(is_it)) {
            let end = format!("sudo swapoff {node}");
            uses.push(Use::new(format!("its disk {name} holds swap space in use")).ended_by(end));
        } else if !holders.is_empty() {
            holders.iter().for_each(|holder| self.held_by(child, holder, depth, uses));
        } else if let Some(volume) = self.btrfs_of(name) {
            uses.push(Use::new(format!("its disk {name} is part of the mounted btrfs volume {volume}")));
        } else {
            return false;
        }
        true
    }

    fn held_by(&self, child: &Child, holder: &str, depth: usize, uses: &mut Vec<Use>) {
        let path = self.sys.join("class/block").join(holder);
        let upper = Child { name: holder.to_string(), kind: Kind::Disk, path };
        if depth > 0 {
            self.working(&upper, depth - 1, uses);
        }
        let text = |file: &str| files::text(upper.path.join(file));
        let name = text("dm/name");
        let uuid = text("dm/uuid").unwrap_or_default();
        let (kind, end) = match (&name, uuid.split('-').next()) {
            (Some(name), Some("CRYPT")) => {
                (" (encrypted volume)", Some(format!("sudo cryptsetup close {name}")))
            }
            (Some(name), Some("LVM")) => {
                (" (LVM volume)", Some(format!("sudo lvchange --activate n /dev/mapper/{name}")))
            }
            (Some(name), _) => (" (device mapper)", Some(format!("sudo dmsetup remove {name}"))),
            (None, _) if holder.starts_with("md") => {
                (" (RAID)", Some(format!("sudo mdadm --stop /dev/{holder}")))
            }
            (None, _) => ("", None),
        };
        let shown = name.as_deref().unwrap_or(holder);
        let held = Use { what: format!("its disk {} is held by {shown}{kind}", child.name), end };
        if !uses.contains(&held) {
            uses.push(held);
        }
    }

    /// The mounted btrfs volume that a disk belongs to: the table of mounts names only its first.
    fn btrfs_of(&self, disk: &str) -> Option<String> {
        let volumes = self.sys.join("fs/btrfs");
        files::names(&volumes)
            .into_iter()
            .find(|volume| volumes.join(volume).join("devices").join(disk).exists())
    }

    /// What is on a disk: as udev saw it, else as its first sectors say.
    fn content(&self, name: &str, number: &str) -> Content {
        if let Some(text) = files::text(self.run.join("udev/data").join(format!("b{number}"))) {
            let find = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
            if let Some(kind) = find("E:ID_FS_TYPE=") {
                return Content::Has(kind.to_string());
            }
            if let Some(kind) = find("E:ID_PART_TABLE_TYPE=") {
                return Content::Has(format!("a partition table ({kind})"));
            }
        }
        match super::signature::of(&self.dev.join(name)) {
            Ok(Some(kind)) => Content::Has(kind.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Content::Unseen,
            // Without a medium, or a node, there is nothing to lose.
            Ok(None) | Err(_) => Content::Nothing,
        }
    }
}

enum Content {
    Nothing,
    Has(String),
    /// Nobody but root may look.
    Unseen,
}

/// A path of the table of mounts, where blanks are written as `\040`.
fn plain(point: &str) -> String {
    let mut plain = String::new();
    let mut rest = point;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => plain.push(char::from(code)),
            None => plain.push('\\'),
        }
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain + rest
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@".contains(c);
    if word.chars().all(is_plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// `nvme0n1` for `nvme0c1n1`.
pub(super) fn multipath_head(name: &str) -> Option<String> {
    let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
    let (path, namespace) = rest.split_once('n')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(subsystem) && digits(path)).then(|| format!("nvme{subsystem}n{namespace}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipath_leads_to_the_head() {
        assert_eq!(multipath_head("nvme0c1n2").as_deref(), Some("nvme0n2"));
        assert_eq!(multipath_head("nvme0n2"), None);
        assert_eq!(multipath_head("sdc1"), None);
    }

    #[test]
    fn a_mount_point_is_a_word_to_paste() {
        assert_eq!(plain(r"/mnt/my\040disk"), "/mnt/my disk");
        assert_eq!(plain(r"/a\b"), r"/a\b");
        assert_eq!((quoted("/data").as_str(), quoted("/my disk").as_str()), ("/data", "'/my disk'"));
        assert_eq!(quoted("a'b"), r"'a'\''b'");
    }
}
