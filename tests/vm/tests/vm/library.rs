//! The library on hardware that VFIO has, by the probe: bound by hand, so that nothing here needs the command.

use crate::traffic::no_faults;
use crate::{EDU, NIC, test};
use dirql_lab::{Machine, Net, Result};
use libtest_mimic::Trial;
use std::time::Duration;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("library::what_every_device_can_be_tried_for", conformance),
        test("library::a_hundred_times_opened_and_closed_in_one_process", reopen),
        test("library::handler_and_threads_exclude_each_other", exclusion),
    ]
}

/// A machine whose devices belong to the user demo, by sysfs alone.
fn machine(name: &str) -> Result<Machine> {
    let machine = Machine::builder(name)
        .nic("lan", "e1000,addr=03.0", Net::User)
        .device("edu,addr=04.0")
        .device("virtio-rng-pci,addr=05.0,disable-legacy=on,iommu_platform=on")
        .boot()?;
    for device in [NIC, EDU, "0000:00:05.0"] {
        machine
            .shell(&format!(
                "cd /sys/bus/pci/devices/{device} && echo vfio-pci > driver_override && \
                 {{ [ ! -e driver ] || echo {device} > driver/unbind; }} && \
                 echo {device} > /sys/bus/pci/drivers_probe && \
                 chown demo /dev/vfio/$(basename $(readlink iommu_group))"
            ))?
            .ok()?;
    }
    Ok(machine)
}

fn conformance() -> Result<()> {
    let machine = machine("library-conformance")?;
    for device in [NIC, EDU, "0000:00:05.0"] {
        machine.user("demo", &format!("dirql-lab-probe conformance {device}"))?.ok()?;
    }
    no_faults(&machine)
}

fn reopen() -> Result<()> {
    let machine = machine("library-reopen")?;
    for device in [EDU, NIC] {
        let words = format!("dirql-lab-probe reopen {device} 100");
        machine.command(&words).user("demo").timeout(Duration::from_secs(120)).run()?.ok()?;
    }
    no_faults(&machine)
}

fn exclusion() -> Result<()> {
    let machine = machine("library-exclusion")?;
    let words = format!("dirql-lab-probe exclusion {EDU} 100000");
    machine.command(&words).user("demo").timeout(Duration::from_secs(120)).run()?.ok()?;
    no_faults(&machine)
}
