//! What sysfs, procfs and udev say of a machine and a function, and all that is concluded from it.

use crate::machine::{Machine, address};

const FILES: &[&str] = &[
    "sys/devices/0000:00:04.0/vendor",
    "sys/devices/0000:00:04.0/device",
    "sys/devices/0000:00:04.0/class",
    "sys/devices/0000:00:04.0/resource",
    "sys/devices/0000:00:04.0/reset_method",
    "sys/devices/0000:00:04.0/driver_override",
    "sys/devices/0000:00:04.0/numa_node",
    "sys/devices/0000:00:04.0/sriov_numvfs",
    "sys/devices/0000:00:04.0/net/eth1/flags",
    "sys/devices/0000:00:04.0/nvme/nvme0/nvme0n1/dev",
    "proc/self/mountinfo",
    "proc/swaps",
    "run/udev/data/b259:0",
    "proc/self/status",
    "proc/self/limits",
    "proc/self/uid_map",
    "proc/sys/kernel/osrelease",
    "proc/cpuinfo",
    "proc/cmdline",
    "proc/interrupts",
    "proc/meminfo",
    "sys/kernel/security/lockdown",
    "proc/812/fdinfo/9",
    "proc/812/stat",
    "proc/uptime",
    "sys/devices/0000:00:04.0/config",
    "dev/kmsg",
];

thread_local! {
    static MACHINE: Machine = Machine::new("host", FILES);
}

pub fn run(bytes: &[u8]) {
    MACHINE.with(|machine| {
        machine.write(bytes);
        let host = machine.host();
        let (limits, kernel) = (host.limits(), host.kernel_version());
        assert!(limits.available().is_none_or(|available| limits.soft.is_some_and(|soft| available <= soft)));
        assert!(kernel.is_at_least(kernel.major, kernel.minor));
        // An input that says nothing of the log leaves none.
        let fault = host.last_iommu_fault(address());
        assert!(!format!("{fault:?}").is_empty());
        let function = host.function(address()).ok();
        for condition in host.examine(function.as_ref()) {
            assert!(!format!("{condition:?}").is_empty());
        }
        let Some(function) = function else { return };
        assert_eq!(function.address, address());
        assert!(function.reset_methods().iter().all(|method| !method.contains(char::is_whitespace)));
        assert_eq!(function.bar_sizes().len(), 7);
        assert_eq!(function.kernel_names(), ["eth1", "nvme0n1"]);
        assert!(host.in_use(&function).iter().all(|one| !one.what.is_empty()));
        assert_eq!(host.usable(&function).is_usable(), host.openable(&function).is_ok());
        let holders = host.holders(&host.group(4).expect("it is there"));
        assert!(holders.found.iter().all(|holder| holder.pid == 812));
        assert_eq!(holders.describe().is_some(), !holders.found.is_empty());
    });
}
