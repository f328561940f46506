//! Devices taken from the kernel and given back.

use crate::traffic::no_faults;
use crate::{EDU, NIC, bound, check, test};
use dirql_lab::{Guest, Machine, Net, Result};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("binding::list_tells_all_devices_as_json", list),
        test("binding::bind_gives_to_a_user_and_restore_gives_back", there_and_back),
        test("binding::bind_refuses_an_interface_that_is_up", in_use),
        test("binding::twenty_selftests_and_the_kernels_driver_works_after", again_and_again),
        test("binding::info_tells_about_a_device_as_json", info),
    ]
}

/// The kernel's driver of a device, as sysfs has it.
fn driver(guest: &Guest, address: &str) -> Result<String> {
    let line = format!("basename $(readlink /sys/bus/pci/devices/{address}/driver)");
    Ok(guest.shell(&line)?.text().trim().to_owned())
}

/// Fails unless the kernel's own driver answers through the NIC.
fn kernel_pings(guest: &Guest) -> Result<()> {
    guest.shell("until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done")?.ok()?;
    guest.root("udhcpc -i eth0 -n -q -s /etc/udhcpc.script")?.ok()?;
    guest.root("ping -c 3 -W 5 10.0.2.2")?.ok().map(drop)
}

fn list() -> Result<()> {
    let machine = bound("binding-list", Net::User)?;
    let output = machine.user("demo", "dirql list --json")?.ok()?;
    let devices = output.json()?;
    let find = |address: &str| {
        let devices = devices.as_array().into_iter().flatten();
        devices.into_iter().find(|device| device["address"] == address).cloned().unwrap_or_default()
    };
    let nic = find(NIC);
    let holds = nic["vendor"] == "8086"
        && nic["device"] == "100e"
        && nic["driver"] == "vfio-pci"
        && nic["dirql_driver"] == "e1000"
        && nic["iommu_group"].is_u64()
        && nic["name"].as_str().is_some_and(|name| name.contains("82540EM"))
        && nic["usable"] == true
        && nic["why_not"].is_null();
    check(holds, || format!("the NIC: {nic:#}\n{output}"))?;
    let edu = find(EDU);
    check(edu["dirql_driver"] == "edu" && edu["usable"] == true, || format!("edu: {edu:#}"))?;
    // Every function of the machine, as sysfs has them.
    let functions = machine.root("ls /sys/bus/pci/devices")?.ok()?.text().lines().count();
    check(devices.as_array().map(Vec::len) == Some(functions), || format!("not {functions}\n{output}"))?;
    machine.user("demo", "dirql list")?.ok().map(drop)
}

fn info() -> Result<()> {
    let machine = bound("binding-info", Net::User)?;
    for device in [NIC, EDU] {
        let output = machine.user("demo", &format!("dirql info {device} --json"))?.ok()?;
        let report = output.json()?;
        check(report["address"] == device, || format!("{output}"))?;
        machine.user("demo", &format!("dirql info {device}"))?.ok()?;
    }
    Ok(())
}

fn there_and_back() -> Result<()> {
    let machine = Machine::builder("binding-back")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .device("edu,addr=04.0")
        .module("e1000")
        .boot()?;
    check(driver(&machine, NIC)? == "e1000", || "the NIC is not the kernel's at first".into())?;
    for _ in 0..3 {
        machine.root(&format!("dirql bind {NIC} {EDU} --owner demo"))?.ok()?;
        for device in [NIC, EDU] {
            let driver = driver(&machine, device)?;
            check(driver == "vfio-pci", || format!("{device} is bound to {driver:?}"))?;
            let group = format!("basename $(readlink /sys/bus/pci/devices/{device}/iommu_group)");
            let owner = machine.shell(&format!("stat -c %U /dev/vfio/$({group})"))?.ok()?.text();
            check(owner == "demo\n", || format!("the group of {device} belongs to {owner}"))?;
        }
        // Bound already is no failure.
        machine.root(&format!("dirql bind {NIC} --owner demo"))?.ok()?;
        machine.root("dirql restore --all")?.ok()?;
        let (nic, edu) = (driver(&machine, NIC)?, driver(&machine, EDU)?);
        check(nic == "e1000" && edu.is_empty(), || format!("restored to {nic:?} and {edu:?}"))?;
        let overrides = machine.shell("cat /sys/bus/pci/devices/*/driver_override")?.ok()?.text();
        check(overrides.lines().all(|line| line == "(null)"), || format!("overrides remain: {overrides}"))?;
    }
    kernel_pings(&machine)
}

fn in_use() -> Result<()> {
    let machine =
        Machine::builder("binding-in-use").nic("lan", "e1000,addr=03.0", Net::User).module("e1000").boot()?;
    machine.root("ip link set eth0 up")?.ok()?;
    let refused = machine.root(&format!("dirql bind {NIC} --owner demo"))?;
    check(!matches!(refused.code(), None | Some(0)), || format!("not refused\n{refused}"))?;
    refused.says(&["eth0", "why:", "fix:"])?;
    check(driver(&machine, NIC)? == "e1000", || "it was taken all the same".into())?;
    machine.root(&format!("dirql bind {NIC} --owner demo --force"))?.ok()?;
    machine.root(&format!("dirql restore {NIC}"))?.ok()?;
    kernel_pings(&machine)
}

fn again_and_again() -> Result<()> {
    let machine = bound("binding-again", Net::User)?;
    for _ in 0..10 {
        for device in [EDU, NIC] {
            machine.user("demo", &format!("dirql selftest {device} --json"))?.ok()?.json()?;
        }
    }
    no_faults(&machine)?;
    machine.root("dirql restore --all")?.ok()?;
    kernel_pings(&machine)
}
