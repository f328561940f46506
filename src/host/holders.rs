//! Who holds a group: processes with a descriptor on its node or on one of its devices.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{SysconfVar, Uid, User, sysconf};

use super::{Function, Group, Host, files};

/// What a descriptor of an open device is linked to.
const DEVICE: &str = "anon_inode:[vfio-device]";

/// A process that holds a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command, as the kernel keeps it: at most 15 bytes.
    pub command: String,
    /// The user that it runs as.
    pub uid: u32,
    /// How long ago it started.
    pub age: Option<Duration>,
}

impl Holder {
    /// Whether it is this process.
    pub fn is_this_process(&self) -> bool {
        self.pid == std::process::id()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        let user = user.map_or_else(|| self.uid.to_string(), |user| user.name);
        write!(f, "process {} ({}, user {user}", self.pid, self.command)?;
        match self.age.map(|age| age.as_secs()) {
            Some(seconds @ 0..120) => write!(f, ", started {seconds} s ago)"),
            Some(seconds @ 120..7200) => write!(f, ", started {} min ago)", seconds / 60),
            Some(seconds) => write!(f, ", started {} h ago)", seconds / 3600),
            None => f.write_str(")"),
        }
    }
}

/// The holders that could be found, and whether there may be others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// Sorted by process id.
    pub found: Vec<Holder>,
    /// How many processes could not be looked into, for want of root.
    pub hidden: usize,
}

impl Holders {
    /// The holders in words, for a message; `None` where none was found.
    pub fn describe(&self) -> Option<String> {
        let names: Vec<String> = self.found.iter().map(Holder::to_string).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl Host {
    /// Who holds the group, by its node, by the nodes of its devices, or by an open device of it.
    ///
    /// A process that only received an open device is found where the kernel names devices in fdinfo (6.18 on).
    pub fn holders(&self, group: &Group) -> Holders {
        let mut nodes = vec![group.node.clone()];
        let functions = group.members.iter().filter_map(|member| self.function(member.address).ok());
        nodes.extend(functions.filter_map(|function| self.device_node(&function)));
        let addresses: Vec<String> = group.members.iter().map(|member| member.address.to_string()).collect();
        self.look_for(|pid| self.holds(pid, &nodes, &addresses))
    }

    /// Who has one of these files open.
    pub(super) fn who_has(&self, files: &[PathBuf]) -> Holders {
        self.look_for(|pid| self.holds(pid, files, &[]))
    }

    /// Who has an open device of VFIO, whichever it is.
    pub(super) fn device_holders(&self) -> Holders {
        self.look_for(|pid| {
            let entries = fs::read_dir(self.proc.join(pid.to_string()).join("fd")).ok()?;
            let mut targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
            Some(targets.any(|target| target == Path::new(DEVICE)))
        })
    }

    /// The processes that hold something; `None` is one that cannot be looked into.
    fn look_for(&self, holds: impl Fn(u32) -> Option<bool>) -> Holders {
        let mut holders = Holders::default();
        for pid in files::names(&self.proc).iter().filter_map(|name| name.parse().ok()) {
            match holds(pid) {
                Some(true) => holders.found.extend(self.holder(pid)),
                Some(false) => {}
                None => holders.hidden += 1,
            }
        }
        holders.found.sort_unstable_by_key(|holder| holder.pid);
        holders
    }

    /// The node of the function in the kernel's newer interface, `/dev/vfio/devices/vfioN`, if it has one.
    pub fn device_node(&self, function: &Function) -> Option<PathBuf> {
        let name = files::names(function.path().join("vfio-dev")).into_iter().next()?;
        Some(self.dev.join("vfio/devices").join(name))
    }

    /// `None` where the process cannot be looked into; one that has ended meanwhile holds nothing.
    fn holds(&self, pid: u32, nodes: &[PathBuf], addresses: &[String]) -> Option<bool> {
        let process = self.proc.join(pid.to_string());
        let entries = match fs::read_dir(process.join("fd")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return None,
            Err(_) => return Some(false),
        };
        Some(entries.flatten().any(|entry| {
            let Ok(target) = fs::read_link(entry.path()) else { return false };
            nodes.contains(&target)
                || target == Path::new(DEVICE)
                    && files::text(process.join("fdinfo").join(entry.file_name()))
                        .is_some_and(|info| names_device(&info, addresses))
        }))
    }

    fn holder(&self, pid: u32) -> Option<Holder> {
        let process = self.proc.join(pid.to_string());
        let uid = fs::metadata(&process).ok()?.uid();
        let command = files::text(process.join("comm")).unwrap_or_else(|| "?".to_string());
        Some(Holder { pid, command, uid, age: self.age(&process) })
    }

    fn age(&self, process: &Path) -> Option<Duration> {
        // The command stands in parentheses and may hold anything; the start is the 20th field behind it.
        let stat = files::text(process.join("stat"))?;
        let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
        let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
        let uptime: f64 = files::text(self.proc.join("uptime"))?.split_whitespace().next()?.parse().ok()?;
        Some(Duration::from_secs((uptime as u64).saturating_sub(ticks.checked_div(per_second)?)))
    }
}

fn names_device(info: &str, addresses: &[String]) -> bool {
    info.lines().filter_map(|line| line.strip_prefix("vfio-device-syspath:")).any(|path| {
        Path::new(path.trim())
            .file_name()
            .is_some_and(|name| addresses.iter().any(|address| name == address.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn finds_holders_by_node_and_by_device() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x100e, Some("vfio-pci"), Some(3));
        machine.process(812, "dirql", &["dev/vfio/3"]);
        machine.process(813, "bash", &["dev/null"]);
        machine.process(814, "qemu", &[]);
        machine.link("proc/814/fd/9", "anon_inode:[vfio-device]");
        machine
            .file("proc/814/fdinfo/9", "pos: 0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:03.0\n");
        machine.file("proc/uptime", "1000.50 3.2\n");
        machine.file("proc/812/stat", "812 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 700 0\n");
        let host = machine.host();
        let holders = host.holders(&host.group(3).unwrap());
        let pids: Vec<_> = holders.found.iter().map(|holder| holder.pid).collect();
        assert_eq!(pids, [812, 814]);
        assert_eq!(holders.hidden, 0);
        assert_eq!(holders.found[0].command, "dirql");
        let described = holders.describe().unwrap();
        assert!(described.starts_with("process 812 (dirql, user "), "{described}");
        assert!(described.contains("started 16 min ago"), "{described}");
    }
}
