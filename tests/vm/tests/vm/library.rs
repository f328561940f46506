//! The library on hardware that VFIO has, by the probe: bound by hand, so that nothing here needs the command.

use crate::traffic::no_faults;
use crate::{EDU, NIC, check, test};
use dirql_lab::pcap::Counter;
use dirql_lab::{Machine, Net, Result};
use libtest_mimic::Trial;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("library::what_every_device_can_be_tried_for", conformance),
        test("library::a_hundred_times_opened_and_closed_in_one_process", reopen),
        test("library::handler_and_threads_exclude_each_other_during_traffic", exclusion),
        test("library::an_urgent_waiter_lends_its_priority_to_who_holds_the_section", inversion),
        test("library::dma_memory_is_in_huge_pages_where_there_are_some", huge_pages),
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

/// The pair is edu's, whose handler can be made to run at will; the traffic beside it is the e1000's.
fn exclusion() -> Result<()> {
    let machine = machine("library-exclusion")?;
    let pings = machine
        .command(&format!("dirql net {NIC} ping 10.0.2.2 --count 65535 --interval 1"))
        .user("demo")
        .spawn()?;
    pings.until(PATIENCE, |output| output.text().contains("seq=10 "))?;
    let words = format!("dirql-lab-probe exclusion {EDU} 100000");
    machine.command(&words).user("demo").timeout(Duration::from_secs(120)).run()?.ok()?;
    let mut cable = Counter::new(&machine.pcap("lan"))?;
    let during = cable.count()?;
    cable.wait(during + 10, PATIENCE).map_err(|error| format!("the traffic had ended: {error}"))?;
    pings.signal(2)?;
    pings.wait(PATIENCE)?;
    no_faults(&machine)
}

/// By root, who may have real-time threads; the lock that inherits nothing shows that the scenario is one.
fn inversion() -> Result<()> {
    let machine = Machine::builder("library-inversion").boot()?;
    let words = "dirql-lab-probe inversion";
    let output = machine.command(words).timeout(Duration::from_secs(60)).run()?.ok()?;
    let wanted = "section: Inherited, mutex: Inverted";
    check(output.text().contains(wanted), || format!("not {wanted:?}: {}", output.text()))
}

/// What the kernel says of its huge pages decides: one fewer is free while a driver runs, and it comes back.
fn huge_pages() -> Result<()> {
    let machine =
        Machine::builder("library-huge").nic("lan", "e1000,addr=03.0", Net::User).huge_pages(8).boot()?;
    machine.root(&format!("dirql bind {NIC} --owner demo"))?.ok()?;
    let free = || -> Result<u64> {
        let output = machine.shell("awk '/HugePages_Free/ { print $2 }' /proc/meminfo")?.ok()?;
        Ok(output.text().trim().parse()?)
    };
    check(free()? == 8, || "not all are free at first".into())?;
    let running = machine.command(&format!("dirql run {NIC}")).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.text().contains("link up"))?;
    let during = free()?;
    running.signal(2)?;
    running.wait(PATIENCE)?.ok()?;
    check(during == 7, || format!("{during} are free while the driver runs"))?;
    check(free()? == 8, || "it did not come back".into())
}
