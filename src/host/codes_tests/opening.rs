//! E1 to E8: from the device to its driver, its group, its container.

use super::*;
use crate::host::{BindOptions, Function};

pub(super) fn rows() -> Vec<Row> {
    [node(), missing(), bind(), group(), container()].into_iter().flatten().collect()
}

fn function(host: &Host, address: &str) -> Function {
    host.function(address.parse().unwrap()).unwrap()
}

/// E1, E6 and E7: the group's node is there.
fn node() -> Vec<Row> {
    let (machine, host) = pair(Some("vfio-pci"), None);
    let open = |errno| host.explain_open_group(nic(), 5, errno);
    let container = |errno| host.explain_open_container(nic(), errno);
    let mut rows = vec![
        row(
            Code::E1,
            Errno::EACCES,
            4,
            ["the node is", "sudo dirql bind 0000:01:00.0 --owner"],
            open(Errno::EACCES),
        ),
        row(Code::E1, Errno::EPERM, 4, ["forbids this process the node", "--device"], open(Errno::EPERM)),
        row(Code::E1, Errno::EACCES, 4, ["mode was changed", "sudo chmod 0666"], container(Errno::EACCES)),
        row(Code::E7, Errno::EBUSY, 5, ["just let go", "try again"], open(Errno::EBUSY)),
    ];
    machine.process(812, "dirql", &["dev/vfio/5"]);
    machine.file("proc/uptime", "1000.50 3.2\n");
    machine.file("proc/812/stat", "812 (dirql) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 700 0\n");
    let held = open(Errno::EBUSY);
    assert!(held.cause().unwrap().contains("started 16 min ago"), "{held}");
    rows.push(row(Code::E7, Errno::EBUSY, 5, ["held by process 812 (dirql, user ", "kill 812"], held));
    machine.process(std::process::id(), "test", &["dev/vfio/5"]);
    let says = ["this process holds", "drop the earlier device first"];
    rows.push(row(Code::E7, Errno::EBUSY, 5, says, open(Errno::EBUSY)));

    let (machine, host) = pair(Some("vfio-pci"), None);
    machine.file("sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
    machine.file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor\n");
    let open = host.explain_open_group(nic(), 5, Errno::EPERM);
    rows.push(row(Code::E6, Errno::EPERM, 4, ["CAP_SYS_RAWIO", "-device intel-iommu"], open));
    let map = |errno| host.explain_map(nic(), errno, 0x1000, 4096, &host.limits(), &[]);
    rows.push(row(Code::E6, Errno::ENOTTY, 3, ["maps nothing", "-device intel-iommu"], map(Errno::ENOTTY)));
    rows
}

/// E2 and E6: a node is not there.
fn missing() -> Vec<Row> {
    let mut rows = vec![];
    let mut says = |code, exit, says, error| rows.push(row(code, Errno::ENOENT, exit, says, error));
    let open = |host: &Host| host.explain_open_group(nic(), 5, Errno::ENOENT);
    let bind = "sudo dirql bind 0000:01:00.0 --owner $USER";
    says(Code::E2, 3, ["the kernel's driver e1000 has it", bind], open(&pair(Some("e1000"), None).1));
    says(Code::E2, 3, ["not bound to vfio-pci, and has no other driver", bind], open(&pair(None, None).1));

    let (machine, host) = pair(Some("vfio-pci"), None);
    std::fs::remove_file(machine.path("dev/vfio/5")).unwrap();
    machine.file("sys/class/vfio/5/dev", "243:0\n");
    says(Code::E2, 3, ["/dev has not", "udevadm settle"], open(&host));
    machine.file("run/.containerenv", "");
    says(Code::E2, 3, ["this container was not given the node", "--device"], open(&host));
    machine.file("dev/vfio/noiommu-5", "");
    says(Code::E6, 3, ["the group has no IOMMU: its node is", "dmesg"], open(&host));

    let (machine, host) = pair(Some("vfio-pci"), None);
    machine.file("sys/devices/pci0000:00/0000:01:00.0/vfio-dev/vfio0/dev", "511:0\n");
    says(Code::E2, 3, ["this kernel has no groups", "CONFIG_VFIO_GROUP"], open(&host));
    let gone = host.explain_open_group(nic(), 77, Errno::ENOENT);
    says(Code::E2, 6, ["the group has gone", "dirql list"], gone);

    let container = |host: &Host| host.explain_open_container(nic(), Errno::ENOENT);
    says(Code::E2, 3, ["the module vfio is not loaded", "sudo modprobe vfio-pci"], container(&host));
    rows
}

/// E3: vfio-pci does not take it.
fn bind() -> Vec<Row> {
    let machine = Machine::new();
    machine.function("0000:00:02.0", 0x1234, 0x1111, None, None);
    machine.function("0000:00:03.0", 0x8086, 0x100e, None, Some(3));
    machine.function("0000:00:04.0", 0x8086, 0x37c8, None, Some(4));
    machine.function("0000:00:05.0", 0x8086, 0x1572, None, Some(5));
    machine.file("sys/devices/pci0000:00/0000:00:05.0/sriov_numvfs", "4\n");
    machine.function("0000:00:1c.0", 0x8086, 0x3420, None, Some(6));
    machine.file("sys/devices/pci0000:00/0000:00:1c.0/class", "0x060400\n");
    let host = machine.host();
    let refused = |address, errno| host.explain_bind(&function(&host, address), errno);
    let (nic, einval) = ("0000:00:03.0", Errno::EINVAL);
    let mut rows = vec![
        row(
            Code::E3,
            einval,
            3,
            ["the IOMMU is on, but does not translate", "dmesg"],
            refused("0000:00:02.0", einval),
        ),
        row(Code::E3, einval, 3, ["it is a bridge", "functions behind it"], refused("0000:00:1c.0", einval)),
        row(Code::E3, einval, 3, ["unsafe to hand out", "another device"], refused("0000:00:04.0", einval)),
        row(Code::E3, einval, 3, ["coherent", "another slot"], refused(nic, einval)),
        row(
            Code::E3,
            Errno::EBUSY,
            5,
            ["4 virtual functions", "sriov_numvfs"],
            refused("0000:00:05.0", Errno::EBUSY),
        ),
        row(Code::E3, Errno::EBUSY, 5, ["another driver took it", "dirql list"], refused(nic, Errno::EBUSY)),
        row(
            Code::E3,
            Errno::ENOENT,
            3,
            ["vfio-pci is not loaded", "modprobe vfio-pci"],
            refused(nic, Errno::ENOENT),
        ),
        row(Code::E3, Errno::ENODEV, 3, ["driver_override", "try again"], refused(nic, Errno::ENODEV)),
        row(Code::E3, Errno::ENOMEM, 1, ["could not start it", "dmesg"], refused(nic, Errno::ENOMEM)),
    ];
    let guest = Machine::new();
    guest.function("0000:00:02.0", 0x1234, 0x1111, None, None);
    guest.file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor\n");
    let none = guest.host().explain_bind(&function(&guest.host(), "0000:00:02.0"), einval);
    rows.push(row(Code::E3, einval, 3, ["a virtual machine without an IOMMU", "-device intel-iommu"], none));
    // What the driver answers reaches whoever binds.
    machine.refuse(Some(einval));
    let error = host.bind(nic.parse().unwrap(), &BindOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), refused(nic, einval).to_string());
    // The module can't be loaded: modprobe's word, and no errno.
    std::fs::remove_dir_all(machine.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    let error = host.bind(nic.parse().unwrap(), &BindOptions::default()).unwrap_err();
    rows.push(row(Code::E3, None, 3, ["loading it failed", "install the kernel's modules"], error));
    rows
}

/// E4 and E5: the group is not ours alone, or the machine not safe.
fn group() -> Vec<Row> {
    let (_machine, host) = pair(Some("vfio-pci"), Some("e1000"));
    let blocked = ["0000:01:01.0 (e1000) is still on a driver of the kernel", "sudo dirql bind --group 5"];
    let mut rows =
        vec![row(Code::E4, Errno::EPERM, 3, blocked, host.explain_set_container(nic(), 5, Errno::EPERM))];
    // The same, found by the group's flags.
    let looked = host.explain_not_viable(nic(), 5);
    assert_eq!((looked.cause(), looked.raw_errno()), (rows[0].error.cause(), None));

    let (machine, host) = pair(Some("vfio-pci"), None);
    let other = ["another process uses the group through /dev/iommu", "try again"];
    rows.push(row(Code::E4, Errno::EPERM, 3, other, host.explain_set_container(nic(), 5, Errno::EPERM)));
    let set = || host.explain_set_iommu(nic(), 5, Errno::EPERM);
    let remapping = ["does not remap interrupts", "intremap=on"];
    rows.push(row(Code::E5, Errno::EPERM, 3, remapping, set()));
    machine.process(812, "qemu", &["dev/vfio/5"]);
    rows.push(row(
        Code::E5,
        Errno::EPERM,
        5,
        ["belongs to another: process 812 (qemu", "end that process"],
        set(),
    ));
    rows
}

/// E8: the steps from the group to the device.
fn container() -> Vec<Row> {
    let (_machine, host) = pair(Some("vfio-pci"), None);
    let join = |group, errno| host.explain_set_container(nic(), group, errno);
    let set = |errno| host.explain_set_iommu(nic(), 5, errno);
    let get = |group, errno| host.explain_get_device(nic(), group, errno);
    let (einval, enodev) = (Errno::EINVAL, Errno::ENODEV);
    vec![
        row(Code::E8, einval, 5, ["in a container already", "through one container"], join(5, einval)),
        row(Code::E8, enodev, 6, ["the group has gone", "dirql list"], join(77, enodev)),
        row(Code::E8, einval, 3, ["has no group yet", "join the group first"], set(einval)),
        row(
            Code::E8,
            enodev,
            3,
            ["vfio_iommu_type1 is not loaded", "modprobe vfio_iommu_type1"],
            set(enodev),
        ),
        row(Code::E8, enodev, 6, ["not in group 6: it is in group 5", "its own group"], get(6, enodev)),
        row(
            Code::E8,
            einval,
            3,
            ["its IOMMU is not set yet", "before a device is asked for"],
            get(5, einval),
        ),
        row(Code::E8, Errno::EACCES, 4, ["vf_token", "physical function first"], get(5, Errno::EACCES)),
        row(Code::E8, Errno::EIO, 7, ["did not come out of its sleep", "dmesg"], get(5, Errno::EIO)),
    ]
}
