//! Whose the nodes are, by udev's own word: the members of a group, one user, or nobody but root.

use crate::nics::ROWS;
use crate::{check, test};
use dirql_lab::{Machine, Net, Result, udev};
use libtest_mimic::Trial;

const PERMISSION: i32 = 4;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("permissions::the_group_of_the_rules_uses_every_bound_device_and_nobody_else", rules)]
}

fn rules() -> Result<()> {
    let row = &ROWS[0];
    let address = row.nic.address();
    let machine = row
        .nic
        .plug(Machine::builder("permissions"), Net::User)
        .directory("udev", &udev::unpacked()?)
        .boot()?;
    udev::start(&machine)?;
    let bind = || machine.root(&format!("dirql bind {address}"))?.ok();
    let restore = || machine.root(&format!("dirql restore {address}"))?.ok();
    let ping = row.net("ping 10.0.2.2 --count 1");
    let refused = |user: &str| {
        machine.user(user, &ping)?.exits(PERMISSION)?.says(&["/dev/vfio/", "dirql explain E1"]).map(drop)
    };

    // Without rules, the node is root's.
    bind()?;
    refused("demo")?;
    // The rules are applied to nodes that are there: demo is in the group, other is not.
    machine.user("demo", "dirql udev install")?.exits(PERMISSION)?.says(&["sudo dirql udev install"])?;
    let said = machine.root("dirql udev install")?.ok()?.text();
    check(said.contains("udev has applied the rules"), || said)?;
    machine.shell("udevadm settle --timeout=20")?.ok()?;
    let groups = machine.user("demo", "id")?.ok()?.text();
    check(groups.contains("vfio") && !groups.contains("root"), || groups)?;
    machine.user("demo", &ping)?.ok()?;
    refused("other")?;
    let doctor = machine.user("demo", &format!("dirql doctor {address}"))?.ok()?.text();
    check(doctor.contains("70-dirql.rules") && doctor.contains("vfio 0660"), || doctor)?;
    // And to those that come: nothing is to be given again.
    restore()?;
    bind()?;
    machine.user("demo", &ping)?.ok()?;
    refused("other")?;
    restore()?;
    // One device for one user, whatever the rules say of the others.
    machine.root(&format!("dirql bind {address} --owner other"))?.ok()?;
    machine.user("other", &ping)?.ok()?;
    restore()?;
    // Once they are gone, so is the right.
    machine.root("dirql udev remove")?.ok()?;
    let left = machine.user("demo", "dirql udev show --json")?.ok()?.json()?;
    let absent = left
        .as_array()
        .is_some_and(|files| files.len() == 4 && files.iter().all(|file| file["state"] == "absent"));
    check(absent, || format!("{left}"))?;
    bind()?;
    refused("demo")
}
