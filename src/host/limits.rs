//! How much memory this process may lock for DMA, and how old the kernel is.

use std::fmt;

use super::{Host, files};

/// The capability that lifts the limit, by its bit number.
const CAP_IPC_LOCK: u32 = 14;

/// What this process may lock, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The limit in force (`ulimit -l`); `None` for unlimited.
    pub soft: Option<u64>,
    /// How far this process may raise it; `None` for unlimited.
    pub hard: Option<u64>,
    /// What it has locked already: `VmLck`, which DMA mappings of a container count into.
    pub locked: u64,
    /// What it has pinned: `VmPin`, which other subsystems count into.
    pub pinned: u64,
    /// Whether no limit applies, because of CAP_IPC_LOCK, as root has it.
    pub is_exempt: bool,
}

impl Limits {
    /// How much more may be locked, in bytes; `None` for no limit.
    pub fn available(&self) -> Option<u64> {
        let limit = self.soft.filter(|_| !self.is_exempt)?;
        Some(limit.saturating_sub(self.locked))
    }
}

/// The version of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// All of it, as `uname -r` prints it.
    pub release: String,
}

impl KernelVersion {
    /// Whether it is at least `major.minor`.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)
    }
}

impl Host {
    /// The limits of this process. What procfs does not say counts as unlimited, and as nothing locked.
    pub fn limits(&self) -> Limits {
        let status = files::text(self.proc.join("self/status")).unwrap_or_default();
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let bytes = |name: &str| {
            let kibibytes = field(name).and_then(|value| value.strip_suffix("kB")?.trim().parse().ok());
            kibibytes.unwrap_or(0u64).saturating_mul(1024)
        };
        let (soft, hard) = self.memlock();
        let capabilities = field("CapEff").and_then(|value| u64::from_str_radix(value, 16).ok()).unwrap_or(0);
        Limits {
            soft,
            hard,
            locked: bytes("VmLck"),
            pinned: bytes("VmPin"),
            is_exempt: capabilities >> CAP_IPC_LOCK & 1 == 1 && self.is_initial_user_namespace(),
        }
    }

    fn memlock(&self) -> (Option<u64>, Option<u64>) {
        let text = files::text(self.proc.join("self/limits")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap_or_default();
        // "unlimited" is no number.
        let mut fields = line.split_whitespace().map(|field| field.parse().ok());
        (fields.next().flatten(), fields.next().flatten())
    }

    /// The kernel asks for the capability in its first user namespace; root of a container has it in another.
    fn is_initial_user_namespace(&self) -> bool {
        files::text(self.proc.join("self/uid_map"))
            .is_none_or(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
    }

    /// The version of the running kernel; 0.0 where procfs does not say.
    pub fn kernel_version(&self) -> KernelVersion {
        let release = files::text(self.proc.join("sys/kernel/osrelease")).unwrap_or_default();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        KernelVersion { major, minor, release }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    #[test]
    fn reads_limits_and_exemption() {
        let machine = Machine::new();
        machine.limits(8192, 100, "0000000000000000");
        let limits = machine.host().limits();
        assert_eq!((limits.soft, limits.locked), (Some(8192 * 1024), 100 * 1024));
        assert_eq!(limits.available(), Some(8092 * 1024));
        machine.limits(8192, 100, "000001ffffffffff");
        assert_eq!(machine.host().limits().available(), None);
        machine.file("proc/self/uid_map", "         0       1000          1\n");
        assert!(!machine.host().limits().is_exempt);
        machine
            .file("proc/self/limits", "Max locked memory         unlimited            unlimited   bytes\n");
        assert_eq!(machine.host().limits().soft, None);
    }

    #[test]
    fn reads_the_real_ones() {
        let host = Host::system();
        assert!(host.kernel_version().is_at_least(2, 6));
        assert!(!host.kernel_version().is_at_least(1000, 0));
        let _ = host.limits();
    }

    #[test]
    fn reads_odd_releases() {
        let machine = Machine::new();
        for (release, version) in [("6.1.0-18-amd64", (6, 1)), ("7.2-rc1+", (7, 2)), ("x", (0, 0))] {
            machine.file("proc/sys/kernel/osrelease", release);
            let kernel = machine.host().kernel_version();
            assert_eq!((kernel.major, kernel.minor), version, "{release}");
        }
    }
}
