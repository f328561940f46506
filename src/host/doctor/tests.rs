use super::super::fake::Machine;
use super::*;

const NIC: &str = "0000:01:00.0";
const TWIN: &str = "0000:01:01.0";

/// A machine on which nothing stands in the way of anybody.
fn sound() -> Machine {
    let machine = Machine::new();
    machine.file("proc/cpuinfo", "flags\t\t: fpu vmx\n");
    machine.file("proc/interrupts", " 24:  0  IR-PCI-MSI 0-edge  eth0\n");
    machine.file("proc/sys/kernel/osrelease", "6.12.0-1-amd64\n");
    machine.file("proc/meminfo", "HugePages_Free:       3\nHugepagesize:       2048 kB\n");
    machine.file("sys/class/vfio/x", "");
    machine.file("dev/vfio/vfio", "");
    machine.limits(16384, 0, "0000000000000000");
    machine.function(NIC, 0x8086, 0x100e, Some("vfio-pci"), Some(5));
    machine.file(&format!("sys/devices/pci0000:00/{NIC}/reset_method"), "flr pm\n");
    machine
}

fn examine(machine: &Machine) -> Vec<Condition> {
    let host = machine.host();
    host.examine(Some(&host.function(NIC.parse().unwrap()).unwrap()))
}

fn condition(machine: &Machine, name: &str) -> Condition {
    examine(machine).into_iter().find(|condition| condition.name == name).unwrap()
}

#[test]
fn on_a_sound_machine_every_condition_is_met() {
    let conditions = examine(&sound());
    assert!(conditions.len() > 14, "{conditions:?}");
    for condition in conditions {
        assert_eq!(condition.verdict, Verdict::Pass, "{condition:?}");
    }
}

/// Something about the machine, the condition that it is for, what is found then, and with which code and fix.
type Case = (fn(&Machine), &'static str, Verdict, &'static str, Option<&'static str>, &'static str);

#[test]
fn each_condition_is_found_on_its_own() {
    let cases: &[Case] = &[
        (
            |machine| machine.file("proc/cpuinfo", "flags\t\t: fpu\n"),
            "CPU virtualisation",
            Verdict::Warn,
            "shows none",
            None,
            "firmware",
        ),
        (
            |machine| machine.file("proc/interrupts", " 24: 0 PCI-MSI 0-edge eth0\n"),
            "interrupt remapping",
            Verdict::Fail,
            "remapping unit",
            Some("E5"),
            "intremap=on",
        ),
        (
            |machine| {
                machine.file("proc/interrupts", " 24: 0 PCI-MSI 0-edge eth0\n");
                machine.file("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
            },
            "interrupt remapping",
            Verdict::Warn,
            "told to do without",
            None,
            "",
        ),
        (
            |machine| std::fs::remove_dir_all(machine.path("sys/module/vfio_iommu_type1")).unwrap(),
            "modules",
            Verdict::Warn,
            "vfio_iommu_type1",
            None,
            "sudo modprobe -a vfio_iommu_type1",
        ),
        (
            |machine| std::fs::remove_file(machine.path("dev/vfio/vfio")).unwrap(),
            "VFIO container",
            Verdict::Fail,
            "not loaded",
            Some("E2"),
            "modprobe",
        ),
        (
            |machine| std::fs::remove_dir_all(machine.path("sys/class/vfio")).unwrap(),
            "groups",
            Verdict::Fail,
            "CONFIG_VFIO_GROUP",
            Some("E2"),
            "CONFIG_VFIO_GROUP",
        ),
        (
            |machine| machine.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
            "dynamic MSI-X",
            Verdict::Pass,
            "older than 6.5",
            None,
            "",
        ),
        (
            |machine| {
                machine.file("etc/udev/rules.d/70-dirql.rules", "SUBSYSTEM==\"vfio\", GROUP=\"vfio\"\n");
            },
            "udev rules",
            Verdict::Pass,
            "70-dirql.rules",
            None,
            "",
        ),
        (
            |machine| machine.limits(1024, 0, "0000000000000000"),
            "memlock",
            Verdict::Fail,
            "may lock 1024 KiB",
            Some("E9"),
            "ulimit -l",
        ),
        (
            |machine| machine.file("proc/meminfo", "HugePages_Free: 0\n"),
            "huge pages",
            Verdict::Pass,
            "none is needed",
            None,
            "nr_hugepages",
        ),
        (
            |machine| machine.file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n"),
            "lockdown",
            Verdict::Warn,
            "integrity",
            None,
            "",
        ),
        (
            |machine| machine.file(&format!("sys/devices/pci0000:00/{NIC}/class"), "0x060400\n"),
            "function",
            Verdict::Fail,
            "bridge",
            Some("E3"),
            "dirql list",
        ),
        (
            |machine| machine.file(&format!("sys/devices/pci0000:00/{NIC}/sriov_numvfs"), "2\n"),
            "function",
            Verdict::Fail,
            "2 virtual functions",
            Some("E3"),
            "sriov_numvfs",
        ),
        (
            |machine| machine.function(TWIN, 0x8086, 0x100e, Some("e1000"), Some(5)),
            "IOMMU group",
            Verdict::Fail,
            "0000:01:01.0 (e1000)",
            Some("E4"),
            "sudo dirql bind --group 5 --owner $USER",
        ),
        (
            |machine| machine.function(TWIN, 0x8086, 0x100e, None, Some(5)),
            "IOMMU group",
            Verdict::Pass,
            "5, with 0000:01:01.0 (no driver)",
            None,
            "",
        ),
        (
            |machine| std::fs::remove_file(machine.path("dev/vfio/5")).unwrap(),
            "VFIO node",
            Verdict::Fail,
            "/dev has not",
            Some("E2"),
            "--device",
        ),
        (
            |machine| machine.process(812, "qemu", &["dev/vfio/5"]),
            "holders",
            Verdict::Fail,
            "process 812 (qemu",
            Some("E7"),
            "kill 812",
        ),
        (
            |machine| machine.file(&format!("sys/devices/pci0000:00/{NIC}/reset_method"), "\n"),
            "reset",
            Verdict::Warn,
            "no way to reset it",
            None,
            "",
        ),
    ];
    for (change, name, verdict, found, code, fix) in cases {
        let machine = sound();
        change(&machine);
        let condition = condition(&machine, name);
        assert_eq!((condition.verdict, condition.code.as_deref()), (*verdict, *code), "{condition:?}");
        assert!(condition.found.contains(found), "{condition:?}");
        assert!(condition.fix.clone().unwrap_or_default().contains(fix), "{condition:?}");
    }
}

#[test]
fn a_device_that_the_kernel_has_is_told_with_what_would_be_lost() {
    let machine = sound();
    machine.function(TWIN, 0x8086, 0x100e, Some("e1000"), Some(6));
    machine.network(TWIN, "eth1", 0x1003);
    let host = machine.host();
    let conditions = host.examine(Some(&host.function(TWIN.parse().unwrap()).unwrap()));
    let failed: Vec<_> = conditions.iter().filter(|condition| condition.verdict == Verdict::Fail).collect();
    let names: Vec<_> = failed.iter().map(|condition| condition.name).collect();
    assert_eq!(names, ["use by the kernel", "kernel driver"], "{failed:?}");
    assert!(failed[0].found.contains("eth1 is up"), "{failed:?}");
    assert_eq!(failed[0].fix.as_deref(), Some("sudo ip link set eth1 down"));
    assert_eq!(failed[1].fix.as_deref(), Some("sudo dirql bind 0000:01:01.0 --owner $USER"));
}

#[test]
fn without_an_iommu_the_fix_is_this_machines() {
    let machine = Machine::new();
    machine.file("proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\n");
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), None);
    let host = machine.host();
    let all = host.examine(None);
    let iommu = all.iter().find(|condition| condition.name == "IOMMU").unwrap();
    assert_eq!((iommu.verdict, iommu.code.as_deref()), (Verdict::Fail, Some("E3")));
    assert!(iommu.fix.as_ref().unwrap().contains("-device intel-iommu"), "{iommu:?}");
    let group = condition(&machine, "IOMMU group");
    assert_eq!((group.verdict, group.code.as_deref()), (Verdict::Fail, Some("E3")));
}
