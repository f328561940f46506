//! Registers and configuration space from the command line, on devices whose contents are known.

use crate::{EDU, check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;

const PRECONDITION: i32 = 3;
const PERMISSION: i32 = 4;
const USAGE: i32 = 2;
/// Behind the root port.
const RNG: &str = "0000:01:00.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("registers::read_written_and_reset_by_an_ordinary_user", registers)]
}

fn registers() -> Result<()> {
    let machine = Machine::builder("registers")
        .device("edu,addr=04.0")
        .device("pcie-root-port,id=root_port,chassis=1,slot=1,addr=06.0")
        .device("virtio-rng-pci,bus=root_port,addr=00.0,disable-legacy=on,iommu_platform=on")
        .boot()?;
    let says = |words: &str, wanted: &str| {
        let text = machine.user("demo", words)?.ok()?.text();
        check(text.trim() == wanted, || format!("{words}: {text:?} is not {wanted:?}"))
    };
    // Not bound, sysfs shows everybody the first 64 bytes.
    says(&format!("dirql config {EDU} 0"), "11e81234")?;
    let beyond = machine.user("demo", &format!("dirql config {EDU} 0x40"))?;
    beyond.exits(PERMISSION)?.says(&["first 64 bytes", "sudo dirql config"])?;
    machine.user("demo", &format!("dirql config {EDU} 4 0 --width 16"))?.exits(PRECONDITION)?;

    machine.root(&format!("dirql bind {EDU} {RNG} --owner demo"))?.ok()?;
    says(&format!("dirql config {EDU} 0"), "11e81234")?;
    // MSI, where QEMU's device has it.
    says(&format!("dirql config {EDU} 0x40 --width 8"), "05")?;
    // The interrupt line is a driver's scratch register.
    says(&format!("dirql config {EDU} 0x3c 0x5a --width 8"), "5a")?;
    let all = machine.user("demo", &format!("dirql config {EDU}"))?.ok()?.text();
    check(all.starts_with("000000: 34 12 e8 11") && all.lines().count() == 16, || all)?;

    says(&format!("dirql regs {EDU} 0 0 --length 4"), "000000: 010000ed")?;
    let document = machine.user("demo", &format!("dirql regs {EDU} 0 --length 8 --json"))?.ok()?.json()?;
    check(document["values"][0] == "0x10000ed" && document["values"][1] == "0x0", || format!("{document}"))?;
    let beyond = machine.user("demo", &format!("dirql regs {EDU} 0 0x100000"))?;
    beyond.exits(USAGE)?.says(&["0x100000 bytes"])?;
    machine.user("demo", &format!("dirql regs {EDU} 1"))?.exits(6)?.says(&["no such BAR"])?;

    machine.user("demo", &format!("dirql reset {RNG}"))?.ok()?;
    machine
        .user("demo", &format!("dirql reset {EDU}"))?
        .exits(PRECONDITION)?
        .says(&["no way to reset"])
        .map(drop)
}
