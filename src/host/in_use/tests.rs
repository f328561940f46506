//! What is said of each use, on a machine in a directory.

use super::super::fake::Machine;
use super::*;

const NIC: &str = "0000:00:03.0";
const DISK: &str = "0000:00:04.0";
const DISPLAY: &str = "0000:00:05.0";

fn uses(machine: &Machine, address: &str) -> Vec<Use> {
    let host = machine.host();
    host.in_use(&host.function(address.parse().unwrap()).unwrap())
}

fn reasons(machine: &Machine, address: &str) -> Vec<String> {
    uses(machine, address).into_iter().map(|one| one.what).collect()
}

fn end(machine: &Machine, address: &str) -> Option<String> {
    Use::end_of(&uses(machine, address))
}

fn nic() -> (Machine, String) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    let path = machine.network(NIC, "eth1", 0x1002);
    (machine, path)
}

#[test]
fn an_interface_counts_while_it_is_up() {
    let (machine, path) = nic();
    assert!(reasons(&machine, NIC).is_empty());
    machine.file(&format!("{path}/flags"), "0x1003\n");
    assert_eq!(reasons(&machine, NIC), ["its network interface eth1 is up"]);
    assert_eq!(end(&machine, NIC).unwrap(), "sudo ip link set eth1 down");
}

#[test]
fn its_routes_are_named() {
    let (machine, path) = nic();
    machine.file(&format!("{path}/flags"), "0x1003\n");
    machine.file(
        "proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
         eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
         eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
         eth1\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
    );
    let link = "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 \
                00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n";
    let local = "20010db8000000000000000000000005 80 00000000000000000000000000000000 00 \
                 00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth1\n";
    let net = "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 \
               00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n";
    machine.file("proc/net/ipv6_route", &[link, local, net].concat());
    assert_eq!(
        reasons(&machine, NIC),
        ["its network interface eth1 is up, with routes: default via 10.0.2.2, 10.0.2.0/24, 2001:db8::/64"]
    );
}

#[test]
fn what_it_belongs_to_and_what_it_carries_is_named() {
    for (mark, kind) in [("brport/state", "the bridge "), ("bonding_slave/state", "the bond "), ("none", "")]
    {
        let (machine, path) = nic();
        machine.link(&format!("{path}/master"), "../br0");
        machine.link(&format!("{path}/upper_br0"), "../br0");
        machine.file(&format!("{path}/{mark}"), "0\n");
        assert_eq!(reasons(&machine, NIC), [format!("its network interface eth1 belongs to {kind}br0")]);
        assert_eq!(
            end(&machine, NIC).unwrap(),
            "sudo ip link set eth1 nomaster && sudo ip link set eth1 down"
        );
    }
    let (machine, path) = nic();
    machine.file(&format!("{path}/flags"), "0x1003\n");
    machine.link(&format!("{path}/upper_eth1.5"), "../eth1.5");
    assert_eq!(
        reasons(&machine, NIC),
        ["its network interface eth1 carries eth1.5", "its network interface eth1 is up"]
    );
    assert_eq!(end(&machine, NIC).unwrap(), "sudo ip link delete eth1.5 && sudo ip link set eth1 down");
    assert_eq!(Use::end_of(&[uses(&machine, NIC)[0].clone(), Use::new("something else")]), None);
}

fn disk() -> (Machine, String) {
    let machine = Machine::new();
    machine.function(DISK, 0x1b36, 0x0010, Some("nvme"), Some(4));
    let disk = machine.disk(DISK, "nvme/nvme0/nvme0n1", "259:0");
    machine.disk(DISK, "nvme/nvme0/nvme0n1/nvme0n1p1", "259:1");
    (machine, disk)
}

#[test]
fn a_disk_counts_while_mounted_swapped_on_or_held() {
    let (machine, disk) = disk();
    assert!(reasons(&machine, DISK).is_empty());
    machine.file(&format!("{disk}/holders/md0"), "");
    machine.file("proc/swaps", "Filename Type\n/dev/nvme0n1p1 partition 1 0 -2\n");
    assert_eq!(
        reasons(&machine, DISK),
        ["its disk nvme0n1 is held by md0 (RAID)", "its disk nvme0n1p1 holds swap space in use"]
    );
    assert_eq!(end(&machine, DISK).unwrap(), "sudo mdadm --stop /dev/md0 && sudo swapoff /dev/nvme0n1p1");
    machine.file(
        "proc/self/mountinfo",
        "22 1 259:1 / /data rw shared:1 - ext4 /dev/nvme0n1p1 rw\n\
         23 22 259:1 /x /my\\040disk rw shared:1 - ext4 /dev/nvme0n1p1 rw\n",
    );
    assert_eq!(reasons(&machine, DISK)[1], "its disk nvme0n1p1 is mounted on /data, /my disk");
    assert_eq!(uses(&machine, DISK)[1].end.as_deref(), Some("sudo umount '/my disk' /data"));
}

#[test]
fn what_lies_on_a_disk_is_ended_before_it() {
    let (machine, disk) = disk();
    machine.file(&format!("{disk}/nvme0n1p1/holders/dm-0"), "");
    machine.file("sys/class/block/dm-0/dm/name", "vg-root\n");
    machine.file("sys/class/block/dm-0/dev", "254:0\n");
    machine.file("proc/self/mountinfo", "22 1 254:0 / /data rw - ext4 /dev/mapper/vg-root rw\n");
    for (uuid, kind, command) in [
        ("LVM-abc", "LVM volume", "lvchange --activate n /dev/mapper/vg-root"),
        ("CRYPT-LUKS2-abc", "encrypted volume", "cryptsetup close vg-root"),
        ("other", "device mapper", "dmsetup remove vg-root"),
    ] {
        machine.file("sys/class/block/dm-0/dm/uuid", uuid);
        assert_eq!(
            reasons(&machine, DISK),
            [
                "its disk dm-0 is mounted on /data".to_string(),
                format!("its disk nvme0n1p1 is held by vg-root ({kind})")
            ]
        );
        assert_eq!(end(&machine, DISK).unwrap(), format!("sudo umount /data && sudo {command}"));
    }
}

#[test]
fn a_member_of_a_mounted_btrfs_is_known() {
    let (machine, _) = disk();
    machine.file("sys/fs/btrfs/0123-abcd/devices/nvme0n1p1/size", "1\n");
    assert_eq!(reasons(&machine, DISK), ["its disk nvme0n1p1 is part of the mounted btrfs volume 0123-abcd"]);
}

#[test]
fn what_is_on_a_disk_is_what_udev_saw_or_what_is_read() {
    let (machine, _) = disk();
    machine.file("run/udev/data/b259:0", "E:ID_PART_TABLE_TYPE=gpt\n");
    machine.file("run/udev/data/b259:1", "S:disk/by-id/x\nE:ID_FS_TYPE=ext4\n");
    assert_eq!(
        reasons(&machine, DISK),
        ["its disk nvme0n1 carries a partition table (gpt)", "its disk nvme0n1p1 carries ext4"]
    );
    assert_eq!(end(&machine, DISK), None);
    std::fs::remove_dir_all(machine.path("run/udev")).unwrap();
    machine.file("dev/nvme0n1", "nothing");
    machine.file("dev/nvme0n1p1", "XFSB");
    assert_eq!(reasons(&machine, DISK), ["its disk nvme0n1p1 carries xfs"]);
}

#[test]
fn a_display_counts_with_the_console_or_a_program_on_it() {
    let machine = Machine::new();
    machine.function(DISPLAY, 0x1234, 0x1111, Some("bochs-drm"), Some(5));
    let path = format!("sys/devices/pci0000:00/{DISPLAY}");
    machine.link(&format!("{path}/graphics/fb0/subsystem"), "../../../../../class/graphics");
    machine.link(&format!("{path}/drm/card0/subsystem"), "../../../../../class/drm");
    machine.file(&format!("{path}/drm/card0/dev"), "226:0\n");
    machine.file("sys/class/vtconsole/vtcon0/name", "(S) dummy device\n");
    machine.file("sys/class/vtconsole/vtcon0/bind", "1\n");
    machine.file("sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
    machine.file("sys/class/vtconsole/vtcon1/bind", "0\n");
    assert!(reasons(&machine, DISPLAY).is_empty());
    machine.file("sys/class/vtconsole/vtcon1/bind", "1\n");
    assert_eq!(reasons(&machine, DISPLAY), ["the kernel's console is on it (fb0)"]);
    assert!(end(&machine, DISPLAY).unwrap().ends_with("sys/class/vtconsole/vtcon1/bind"));
    machine.process(700, "Xorg", &["dev/dri/card0"]);
    let reasons = reasons(&machine, DISPLAY);
    assert!(reasons[0].starts_with("its display card0 is in use by process 700 (Xorg"), "{reasons:?}");
    let host = machine.host();
    assert!(host.function(DISPLAY.parse().unwrap()).unwrap().kernel_names().is_empty());
    machine.file(&format!("{path}/boot_vga"), "1\n");
    assert_eq!(self::reasons(&machine, DISPLAY)[0], "it is the boot display");
}
