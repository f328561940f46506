//! Why a function has no IOMMU group, and what to change for it to have one.

use super::{Host, files};

/// QEMU's options for a virtual IOMMU that VFIO can use in the guest.
const QEMU: &str = "give the VM an IOMMU: qemu-system-x86_64 -machine q35,kernel-irqchip=split \
     -device intel-iommu,intremap=on,caching-mode=on …, and boot the guest with intel_iommu=on";

impl Host {
    /// The cause of a function without an IOMMU group, and the fix.
    pub(super) fn why_no_iommu(&self) -> (String, String) {
        if self.translated_groups() > 0 {
            return (
                "the IOMMU is on, but does not translate for this function".into(),
                "see the kernel's log: sudo dmesg | grep -iE 'dmar|iommu|amd-vi'".into(),
            );
        }
        let cpu = files::text(self.proc.join("cpuinfo")).unwrap_or_default();
        let command_line = files::text(self.proc.join("cmdline")).unwrap_or_default();
        let told = |parameter: &str| command_line.split_whitespace().any(|word| word == parameter);
        let table = |name: &str| self.sys.join("firmware/acpi/tables").join(name).exists();
        let is_virtual = cpu
            .lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|line| line.split_whitespace().any(|flag| flag == "hypervisor"));
        let vendor =
            |name: &str| cpu.lines().any(|line| line.starts_with("vendor_id") && line.ends_with(name));
        let off = ["iommu=off", "intel_iommu=off", "amd_iommu=off"].into_iter().find(|off| told(off));
        if let Some(off) = off {
            return (
                format!("the kernel was told to leave the IOMMU off: {off}"),
                format!("take {off} from the kernel's command line and boot again"),
            );
        }
        let add = |parameter: &str| format!("add {parameter} to the kernel's command line and boot again");
        // What firmware lists is certain; the CPU's vendor is a guess.
        if table("DMAR") && !told("intel_iommu=on") {
            return (
                "the machine has an Intel IOMMU, and the kernel does not use it".into(),
                add("intel_iommu=on"),
            );
        }
        if table("DMAR") || table("IVRS") {
            return (
                "the machine has an IOMMU, and the kernel could not use it".into(),
                "see the kernel's log: sudo dmesg | grep -iE 'dmar|iommu|amd-vi'".into(),
            );
        }
        if is_virtual {
            return ("this is a virtual machine without an IOMMU".into(), QEMU.into());
        }
        let (setting, parameter) = if vendor("GenuineIntel") {
            ("VT-d", "intel_iommu=on")
        } else if vendor("AuthenticAMD") {
            ("AMD-Vi (IOMMU)", "amd_iommu=on")
        } else {
            ("the IOMMU (SMMU)", "iommu.passthrough=0")
        };
        (
            "the IOMMU is off: firmware does not show one to the kernel".into(),
            format!("switch {setting} on in the firmware's setup, then {}", add(parameter)),
        )
    }

    /// How many groups an IOMMU made. VFIO makes up others, for functions without one.
    pub(super) fn translated_groups(&self) -> usize {
        let groups = self.sys.join("kernel/iommu_groups");
        let name = |group: &String| files::text(groups.join(group).join("name"));
        files::names(&groups).iter().filter(|group| name(group).as_deref() != Some("vfio-noiommu")).count()
    }

    /// Whether the administrator allowed groups without an IOMMU.
    pub(super) fn allows_noiommu(&self) -> bool {
        let path = self.sys.join("module/vfio/parameters/enable_unsafe_noiommu_mode");
        files::text(path).is_some_and(|value| value == "Y")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn names_the_setting_for_this_machine() {
        let intel = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme\n";
        let guest = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\n";
        let amd = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu\n";
        for (cpu, table, command_line, fix) in [
            (intel, None, "quiet", "VT-d"),
            (intel, None, "quiet", "intel_iommu=on"),
            (amd, None, "quiet", "amd_iommu=on"),
            (guest, None, "quiet", "-device intel-iommu,intremap=on,caching-mode=on"),
            (guest, Some("DMAR"), "quiet", "add intel_iommu=on"),
            (guest, Some("DMAR"), "intel_iommu=on", "dmesg"),
            (amd, Some("IVRS"), "amd_iommu=off", "take amd_iommu=off"),
        ] {
            let machine = Machine::new();
            machine.file("proc/cpuinfo", cpu);
            machine.file("proc/cmdline", command_line);
            if let Some(table) = table {
                machine.file(&format!("sys/firmware/acpi/tables/{table}"), "");
            }
            let said = machine.host().why_no_iommu().1;
            assert!(said.contains(fix), "{fix}: {said}");
        }
    }
}
