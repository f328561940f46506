//! Display adapters that raise no interrupts.

use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;

const BOCHS: &str = "0000:00:05.0";
const VGA: &str = "0000:00:06.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("bochs::r9_a_video_port_without_interrupts_has_three_priorities", silent)]
}

/// What the probe's callbacks found in the device's own register decides.
fn silent() -> Result<()> {
    let machine = Machine::builder("bochs-silent")
        .device("bochs-display,addr=05.0")
        .device("secondary-vga,addr=06.0")
        .device("edu,addr=04.0")
        .boot()?;
    machine.root(&format!("dirql bind {BOCHS} {VGA} {} --owner demo", crate::EDU))?.ok()?;
    for device in [BOCHS, VGA] {
        machine.user("demo", &format!("dirql selftest {device}"))?.ok()?;
        let output = machine.user("demo", &format!("dirql-lab-probe silent {device} 5003"))?.ok()?;
        let seen = output.json()?;
        for (name, wanted) in
            [("flips", 20_012), ("looks", 5003), ("torn", 0), ("line", 66), ("register", 66)]
        {
            check(seen[name] == wanted, || format!("{name} is not {wanted}: {seen}"))?;
        }
        check(seen["low_while_high"] == true, || format!("low waits for high: {seen}"))?;
    }
    // It is no adapter: the probe looks before it writes.
    machine.user("demo", &format!("dirql-lab-probe silent {} 1", crate::EDU))?.exits(6)?;
    no_faults(&machine)
}
