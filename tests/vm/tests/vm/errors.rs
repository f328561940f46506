//! Errors that PCI Express reports, injected from outside.

use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// Behind the root port.
const RNG: &str = "0000:01:00.0";
const EDU: &str = "0000:00:04.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("errors::r29_reports_of_poisoned_packets_reach_the_error_source", reported)]
}

fn reported() -> Result<()> {
    let machine = Machine::builder("errors")
        .device("pcie-root-port,id=root_port,chassis=1,slot=1,addr=06.0")
        .device("virtio-rng-pci,id=rng,bus=root_port,addr=00.0,aer=on,disable-legacy=on,iommu_platform=on")
        .device("edu,addr=04.0")
        .boot()?;
    machine.root(&format!("dirql bind {RNG} {EDU} --owner demo"))?.ok()?;
    // A function of conventional PCI has no error source, and says so.
    machine
        .user("demo", &format!("dirql-lab-probe errors {EDU} 1"))?
        .exits(3)?
        .says(&["has no error source", "only those of PCI Express do"])?;
    let program = machine.command(&format!("dirql-lab-probe errors {RNG} 3")).user("demo").spawn()?;
    program.until(PATIENCE, |output| output.text().contains("ready"))?;
    for report in 1..=3 {
        let said = machine.qmp().human("pcie_aer_inject_error rng POISON_TLP")?;
        check(said.contains("OK"), || format!("QEMU said: {said}"))?;
        program.until(PATIENCE, |output| output.text().contains(&format!("reported {report} gone false")))?;
    }
    let output = program.wait(PATIENCE)?.ok()?;
    check(output.text().contains("in all 3"), || output.text())?;
    // The kernel saw them too.
    let log = machine.kernel_log()?;
    let seen = log.lines().filter(|line| line.contains("AER") && line.contains("01:00.0")).count();
    check(seen > 0, || format!("the kernel saw no error of {RNG}:\n{log}"))
}
