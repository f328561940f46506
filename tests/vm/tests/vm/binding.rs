//! Devices taken from the kernel and given back.

use crate::nics::{Row, all, bind, families, rows, unbound};
use crate::traffic::no_faults;
use crate::{EDU, NIC, bound, check, test};
use dirql_lab::{Guest, Net, Result};
use libtest_mimic::Trial;
use std::time::Duration;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("binding::list_tells_all_devices_as_json", list),
        test("binding::bind_gives_to_a_user_and_restore_gives_back", there_and_back),
        test("binding::what_had_no_driver_has_none_again", driverless),
        test("binding::bind_refuses_an_interface_that_is_up", in_use),
        test("binding::unbind_names_the_holder_and_waits_as_long_as_told", holder),
        test("binding::an_unbind_that_the_kernel_keeps_waiting_is_left_behind", hidden),
        test("binding::ten_selftests_and_the_kernels_driver_works_after", again_and_again),
        test("binding::info_tells_about_a_device_as_json", info),
    ]
}

/// The kernel's driver of a device, as sysfs has it.
fn driver(guest: &Guest, address: &str) -> Result<String> {
    let line = format!("basename $(readlink /sys/bus/pci/devices/{address}/driver)");
    Ok(guest.shell(&line)?.text().trim().to_owned())
}

/// Fails unless the kernel's own driver answers through the NIC, whose interface is left down.
fn kernel_pings(guest: &Guest, row: &Row) -> Result<()> {
    let interface = row.nic.interface(guest)?;
    guest.root(&format!("udhcpc -i {interface} -n -q -s /etc/udhcpc.script"))?.ok()?;
    guest.root(&format!("ping -c 3 -W 5 -I {interface} 10.0.2.2"))?.ok()?;
    guest.root(&format!("ip address flush dev {interface}"))?.ok()?;
    guest.root(&format!("ip link set {interface} down"))?.ok().map(drop)
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
    let rows = families();
    let machine = unbound("binding-back", &rows, Net::User, true)?;
    all(&rows, |row| {
        let address = row.nic.address();
        let own = driver(&machine, &address)?;
        for _ in 0..3 {
            machine.root(&format!("dirql bind {address} --owner demo"))?.ok()?;
            let taken = driver(&machine, &address)?;
            check(taken == "vfio-pci", || format!("{address} is bound to {taken:?}"))?;
            let group = format!("basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)");
            let owner = machine.shell(&format!("stat -c %U /dev/vfio/$({group})"))?.ok()?.text();
            check(owner == "demo\n", || format!("the group of {address} belongs to {owner}"))?;
            // Bound already is no failure.
            machine.root(&format!("dirql bind {address} --owner demo"))?.ok()?;
            machine.root("dirql restore --all")?.ok()?;
            let restored = driver(&machine, &address)?;
            check(restored == own, || format!("restored to {restored:?}, and not to {own:?}"))?;
            let overrides = machine.shell("cat /sys/bus/pci/devices/*/driver_override")?.ok()?.text();
            let none = overrides.lines().all(|line| line == "(null)");
            check(none, || format!("overrides remain: {overrides}"))?;
        }
        kernel_pings(&machine, row)
    })
}

/// What had no driver has none again.
fn driverless() -> Result<()> {
    let machine = bound("binding-driverless", Net::User)?;
    machine.root("dirql restore --all")?.ok()?;
    let (nic, edu) = (driver(&machine, NIC)?, driver(&machine, EDU)?);
    check(nic == "e1000" && edu.is_empty(), || format!("restored to {nic:?} and {edu:?}"))
}

fn in_use() -> Result<()> {
    let rows = families();
    let machine = unbound("binding-in-use", &rows, Net::User, true)?;
    all(&rows, |row| {
        let (address, interface) = (row.nic.address(), row.nic.interface(&machine)?);
        let own = driver(&machine, &address)?;
        machine.root(&format!("ip link set {interface} up"))?.ok()?;
        let refused = machine.root(&format!("dirql bind {address} --owner demo"))?;
        check(!matches!(refused.code(), None | Some(0)), || format!("not refused\n{refused}"))?;
        refused.says(&[&interface, "why:", "fix:"])?;
        check(driver(&machine, &address)? == own, || "it was taken all the same".into())?;
        machine.root(&format!("dirql bind {address} --owner demo --force"))?.ok()?;
        machine.root(&format!("dirql restore {address}"))?.ok()?;
        kernel_pings(&machine, row)
    })
}

/// For what ends at once, or never.
const PATIENCE: Duration = Duration::from_secs(60);
const BUSY: i32 = 5;

fn holder() -> Result<()> {
    let machine = bound("binding-holder", Net::User)?;
    let own = || driver(&machine, NIC);
    let running = machine.command(&format!("dirql run {NIC}")).user("demo").spawn()?;
    running.until(PATIENCE, |output| !output.stdout.is_empty())?;
    let held = format!("held by process {} (dirql, user demo, started ", running.pid());
    for words in ["unbind", "restore", "unbind --timeout 1"] {
        let refused = machine.root(&format!("dirql {words} {NIC}"))?.exits(BUSY)?;
        refused.says(&[&held, "dirql explain E13", &format!("sudo kill {}", running.pid())])?;
        check(own()? == "vfio-pci", || format!("after {words} it is on {:?}", own()))?;
    }
    // Who drives it has heard nothing of that.
    let waiting = machine.command(&format!("dirql unbind {NIC} --timeout 50")).spawn()?;
    running.signal(2)?;
    running.wait(PATIENCE)?.ok()?;
    let text = waiting.wait(PATIENCE)?.ok()?.text();
    check(text.contains("vfio-pci → no driver") && own()?.is_empty(), || text)?;
    machine.root(&format!("dirql restore {NIC}"))?.ok()?;
    check(own()? == "e1000", || format!("restored to {:?}", own()))?;
    // And the kernel's own driver is taken from it too.
    machine.root(&format!("dirql unbind {NIC}"))?.ok()?;
    check(own()?.is_empty(), || format!("still on {:?}", own()))?;
    machine.root(&format!("dirql restore {NIC}"))?.ok()?;
    check(own()? == "e1000", || format!("restored to {:?}", own()))
}

fn hidden() -> Result<()> {
    let machine = bound("binding-hidden", Net::User)?;
    let running = machine.command(&format!("dirql-lab-probe hide {EDU}")).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.text().contains("hidden"))?;
    let refused = machine.root(&format!("dirql unbind {EDU}"))?.exits(BUSY)?;
    refused.says(&[
        "the kernel still waits",
        &format!("perhaps for process {} (", running.pid()),
        "dirql explain E13",
    ])?;
    // Nothing else waits with it, but what would have to wait says so.
    for words in ["list", "info 0000:00:03.0", "doctor"] {
        check(machine.root(&format!("dirql {words}"))?.end.is_some(), || words.into())?;
    }
    for words in ["unbind", "restore", "bind"] {
        machine.root(&format!("dirql {words} {EDU}"))?.exits(BUSY)?.says(&["dirql explain E13"])?;
    }
    running.signal(9)?;
    // Then the kernel goes on, and nothing is in the way of the way back.
    machine.shell("until ! ls /sys/bus/pci/drivers/vfio-pci/0000:00:04.0; do sleep 0.1; done")?.ok()?;
    machine.root(&format!("dirql restore {EDU}"))?.ok()?;
    machine.root(&format!("dirql bind {EDU} --owner demo"))?.ok()?;
    machine.user("demo", &format!("dirql selftest {EDU}"))?.ok().map(drop)
}

/// Ten rounds over all rows, edu among them; every NIC works for the kernel after them.
fn again_and_again() -> Result<()> {
    let rows = rows();
    let machine = unbound("binding-again", &rows, Net::User, true)?;
    bind(&machine, &rows)?;
    for _ in 0..10 {
        all(&rows, |row| {
            let words = format!("dirql selftest {} --json", row.nic.address());
            machine.user("demo", &words)?.ok()?.json().map(drop)
        })?;
    }
    no_faults(&machine)?;
    machine.root("dirql restore --all")?.ok()?;
    all(&rows, |row| kernel_pings(&machine, row))
}
