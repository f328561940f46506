//! What the kernel uses is not taken: each use is named, and ends with what was said, by pasting.

use crate::nics::{Row, all, families, unbound};
use crate::{check, test};
use dirql_lab::{Guest, Machine, Net, Output, Result};
use libtest_mimic::Trial;

const BUSY: i32 = 5;
const DISK: &str = "0000:00:07.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("in_use::an_interface_with_routes_in_a_bridge_in_a_bond_or_with_a_vlan", network),
        test("in_use::a_disk_with_swap_space_mounted_or_with_something_on_it", disk),
    ]
}

/// Fails unless taking it is refused with these words, and does what is said to be done.
fn refused_and_ended(guest: &Guest, device: &str, wanted: &[&str]) -> Result<()> {
    let refused = refused(guest, device, wanted)?;
    let fix = fix(&refused)?;
    let end = fix.split("; or take it").next().unwrap_or_default().replace("sudo ", "");
    guest.shell(&end)?.ok().map(drop)
}

fn refused(guest: &Guest, device: &str, wanted: &[&str]) -> Result<Output> {
    for verb in ["unbind", "bind --dry-run"] {
        guest.root(&format!("dirql {verb} {device}"))?.exits(BUSY)?.says(wanted)?;
    }
    guest.root(&format!("dirql bind {device} --owner demo"))?.exits(BUSY)?.says(wanted)
}

fn fix(refused: &Output) -> Result<String> {
    let text = refused.error_text();
    let fix = text.lines().find_map(|line| line.trim().strip_prefix("fix: "));
    Ok(fix.ok_or_else(|| format!("nothing to paste\n{refused}"))?.to_owned())
}

fn network() -> Result<()> {
    let rows = families();
    let machine = unbound("in-use-network", &rows, Net::User, true)?;
    for module in ["bridge", "8021q"] {
        machine.root(&format!("modprobe {module}"))?.ok()?;
    }
    machine.root("modprobe bonding max_bonds=0")?.ok()?;
    all(&rows, |row| one(&machine, row))
}

fn one(machine: &Guest, row: &Row) -> Result<()> {
    let (address, name) = (row.nic.address(), row.nic.interface(machine)?);
    let run = |line: &str| machine.shell(&line.replace("NAME", &name))?.ok().map(drop);
    let refused = |line: &str, wanted: &[&str]| {
        run(line)?;
        refused_and_ended(machine, &address, wanted)
    };
    refused(
        "ip address add 10.0.2.15/24 dev NAME && ip link set NAME up && ip route add default via 10.0.2.2",
        &[&format!("{name} is up, with routes: default via 10.0.2.2, 10.0.2.0/24")],
    )?;
    run("ip address flush dev NAME")?;
    refused(
        "ip link add br7 type bridge && ip link set NAME master br7 && ip link set NAME up",
        &[&format!("{name} belongs to the bridge br7")],
    )?;
    run("ip link delete br7")?;
    refused(
        "echo +bond7 > /sys/class/net/bonding_masters && ip link set bond7 up && \
         echo +NAME > /sys/class/net/bond7/bonding/slaves",
        &[&format!("{name} belongs to the bond bond7")],
    )?;
    run("ip link set bond7 down && echo -bond7 > /sys/class/net/bonding_masters")?;
    refused(
        "ip link set NAME up && ip link add link NAME name NAME.5 type vlan id 5",
        &[&format!("{name} carries {name}.5"), &format!("{name} is up")],
    )?;
    machine.root(&format!("dirql bind {address} --owner demo"))?.ok()?;
    machine.root(&format!("dirql restore {address}"))?.ok().map(drop)
}

fn disk() -> Result<()> {
    let machine = Machine::builder("in-use-disk")
        .drive("disk", 16)
        .device("nvme,serial=one,drive=disk,addr=07.0")
        .module("nvme")
        .boot()?;
    machine
        .shell("until test -b /dev/nvme0n1; do sleep 0.1; done; modprobe crc32c_generic; modprobe ext4")?
        .ok()?;
    machine.shell("mkswap /dev/nvme0n1 && swapon /dev/nvme0n1")?.ok()?;
    refused_and_ended(&machine, DISK, &["nvme0n1 holds swap space in use"])?;
    refused(&machine, DISK, &["nvme0n1 carries swap space", "if that is needed no more: sudo dirql "])?;
    // Who may not look says so, and root looks.
    let doctor = machine.user("demo", &format!("dirql doctor {DISK}"))?.exits(3)?.text();
    check(doctor.contains("only root may look"), || doctor)?;
    machine.shell("dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=1; mke2fs /dev/nvme0n1")?.ok()?;
    machine.shell("mkdir '/mnt/my disk' && mount -t ext4 /dev/nvme0n1 '/mnt/my disk'")?.ok()?;
    refused_and_ended(&machine, "nvme0n1", &["nvme0n1 is mounted on /mnt/my disk"])?;
    let refused = refused(&machine, DISK, &["nvme0n1 carries an ext file system"])?;
    let force = fix(&refused)?;
    let force = force.split("needed no more: sudo ").nth(1).ok_or_else(|| format!("{refused}"))?.to_owned();
    machine.root(&force)?.ok()?;
    machine.root(&format!("dirql restore {DISK}"))?.ok()?;
    machine.shell("until test -b /dev/nvme0n1; do sleep 0.1; done")?.ok()?;
    machine.shell("mount -t ext4 /dev/nvme0n1 '/mnt/my disk'")?.ok().map(drop)
}
