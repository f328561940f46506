//! Binds that outlive a start, by udev's own work: the function goes and comes again, as at a start.

use crate::{check, test};
use dirql_lab::{Guest, Machine, Net, Result, udev};
use libtest_mimic::Trial;
use qapi::qmp;

/// Where the NIC is that can be plugged.
const NIC: &str = "0000:01:00.0";
const RULE: &str = "/etc/udev/rules.d/71-dirql-0000:01:00.0.rules";
const PRECONDITION: i32 = 3;
const NOT_FOUND: i32 = 6;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("persist::what_is_bound_for_good_comes_back_to_its_user_and_nothing_else_does", persist)]
}

/// Waits until the function is on this driver.
fn on(guest: &Guest, driver: &str) -> Result<()> {
    let line = format!(
        "for i in $(seq 200); do test \"$(basename $(readlink /sys/bus/pci/devices/{NIC}/driver))\" = {driver} && \
         exit 0; sleep 0.1; done; readlink /sys/bus/pci/devices/{NIC}/driver; udevadm test /sys/bus/pci/devices/{NIC} 2>&1 \
         | tail -50; exit 1"
    );
    guest.shell(&line)?.ok()?;
    guest.shell("udevadm settle --timeout=20")?.ok().map(drop)
}

/// The device goes and comes again, as at a start: nothing is left of it but the rule.
fn anew(guest: &Guest) -> Result<()> {
    guest.shell(&format!("rm -f /run/dirql/*.json; echo 1 > /sys/bus/pci/devices/{NIC}/remove"))?.ok()?;
    guest
        .shell("udevadm settle --timeout=20; echo 1 > /sys/bus/pci/rescan; udevadm settle --timeout=20")?
        .ok()
        .map(drop)
}

fn owner(guest: &Guest) -> Result<String> {
    let line =
        format!("stat -c '%U %a' /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{NIC}/iommu_group))");
    Ok(guest.shell(&line)?.ok()?.text().trim().to_owned())
}

fn persist() -> Result<()> {
    let machine = Machine::builder("persist")
        .device("pcie-root-port,id=root_port,chassis=1,slot=1,addr=06.0")
        .nic("lan", "e1000e,bus=root_port,addr=00.0,mac=52:54:00:d1:61:01", Net::User)
        .module("e1000e")
        .module("e1000")
        .directory("udev", &udev::unpacked()?)
        .boot()?;
    let ping = || machine.user("demo", &format!("dirql net {NIC} ping 10.0.2.2 --count 1"))?.ok().map(drop);
    let absent = |guest: &Guest| guest.shell(&format!("test ! -e {RULE}"))?.ok().map(drop);
    let bind = format!("dirql bind {NIC} --owner demo --persist");
    machine.root(&bind)?.exits(PRECONDITION)?.says(&["no udev is at work", "fix: "])?;
    on_kernel(&machine)?;
    udev::start(&machine)?;

    let shown = machine.root(&format!("{bind} --dry-run"))?.ok()?.text();
    check(shown.contains(RULE) && shown.contains("driver_override"), || shown)?;
    absent(&machine)?;
    let said = machine.root(&bind)?.ok()?.text();
    check(said.contains(RULE), || said)?;
    ping()?;
    for _ in 0..2 {
        anew(&machine)?;
        on(&machine, "vfio-pci")?;
        check(owner(&machine)? == "demo 600", || format!("the node is {:?}", owner(&machine)))?;
        ping()?;
    }
    let listed = machine.user("demo", "dirql list")?.ok()?.text();
    check(listed.contains("vfio-pci, at each start"), || listed)?;
    // Taken by the kernel's driver before udev came to it, as in an initramfs: when udev is told again, it lets go.
    machine.shell(&format!("echo > /sys/bus/pci/devices/{NIC}/driver_override"))?.ok()?;
    machine.shell(&format!("echo {NIC} > /sys/bus/pci/drivers/vfio-pci/unbind"))?.ok()?;
    machine.shell(&format!("echo {NIC} > /sys/bus/pci/drivers/e1000e/bind"))?.ok()?;
    machine.shell("udevadm trigger --action=add --subsystem-match=pci; udevadm settle --timeout=20")?.ok()?;
    on(&machine, "vfio-pci")?;

    // Another card in the same slot is the kernel's, and its node root's.
    let unplug = qmp::device_del { id: "lan".into() };
    machine.qmp().execute(&unplug)?;
    machine.shell(&format!("until test ! -e /sys/bus/pci/devices/{NIC}; do sleep 0.1; done"))?.ok()?;
    plug(&machine, "e1000e", "subsys_ven=4660,subsys=22136")?;
    on(&machine, "e1000e")?;
    machine.root(&format!("dirql bind {NIC}"))?.ok()?;
    check(owner(&machine)? == "root 600", || format!("the node is {:?}", owner(&machine)))?;
    machine.root(&format!("dirql restore {NIC}"))?.ok()?;
    absent(&machine)?;
    on(&machine, "e1000e")?;

    // Gone with its record, it is known by its rule, and given back.
    machine.root(&bind)?.ok()?;
    anew(&machine)?;
    on(&machine, "vfio-pci")?;
    let said = machine.root("dirql restore --all")?.ok()?.text();
    check(said.contains(RULE), || said)?;
    absent(&machine)?;
    on(&machine, "e1000e")?;
    anew(&machine)?;
    on(&machine, "e1000e")?;
    machine
        .root(&format!("dirql bind {NIC} --owner nobody-here"))?
        .exits(NOT_FOUND)?
        .says(&["no user \"nobody-here\""])
        .map(drop)
}

fn on_kernel(machine: &Guest) -> Result<()> {
    machine.shell(&format!("test -e /sys/bus/pci/drivers/e1000e/{NIC}"))?.ok().map(drop)
}

/// Plugs a NIC where the other one was.
fn plug(machine: &Machine, driver: &str, properties: &str) -> Result<()> {
    let said = machine
        .qmp()
        .human(&format!("device_add {driver},id=other,bus=root_port,addr=00.0,romfile=,{properties}"))?;
    check(said.trim().is_empty(), || said)?;
    machine.shell(&format!("until test -e /sys/bus/pci/devices/{NIC}; do sleep 0.1; done"))?.ok().map(drop)
}
