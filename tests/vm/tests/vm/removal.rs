//! Devices that go away, and that the host takes back, from programs that hold them.

use crate::traffic::no_faults;
use crate::{EDU, NIC, bound, check, test};
use dirql_lab::{Guest, Machine, Net, Output, Result};
use libtest_mimic::Trial;
use qapi::qmp;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Where the e1000 is that can be unplugged.
const PLUGGED: &str = "0000:01:00.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("removal::a_bar_without_memory_behind_it_is_survived", vanish),
        test("removal::programs_let_go_of_what_is_unbound", unbind),
        test("removal::programs_let_go_of_what_is_unplugged", unplug),
        test("removal::who_lets_go_in_time_hears_no_complaint", hold),
        test("removal::who_does_not_let_go_is_revoked", revoke),
    ]
}

fn vanish() -> Result<()> {
    let machine = bound("removal-vanish", Net::User)?;
    for device in [NIC, EDU] {
        let output = machine.user("demo", &format!("dirql-lab-probe vanish {device}"))?.ok()?;
        check(output.stderr.is_empty(), || format!("it complains\n{output}"))?;
        // The next one finds it as ever.
        machine.user("demo", &format!("dirql selftest {device}"))?.ok()?;
    }
    no_faults(&machine)
}

/// Writes to the driver's `unbind`, and gives how many seconds that took, as the guest's clock has it.
fn unbind_now(guest: &Guest, device: &str) -> Result<f64> {
    let line = format!(
        "cut -d' ' -f1 /proc/uptime && echo {device} > /sys/bus/pci/drivers/vfio-pci/unbind && \
         cut -d' ' -f1 /proc/uptime"
    );
    let text = guest.shell(&line)?.ok()?.text();
    let times = text.lines().map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
    match times[..] {
        [before, after] => Ok(after - before),
        _ => Err(format!("no two times: {text}").into()),
    }
}

fn says_why(output: Output, device: &str) -> Result<Output> {
    let failed = format!("error: running of the driver for {device} failed: ENODEV (");
    output.exits(7)?.says(&[
        &failed,
        "why: the host wants the device back",
        &format!("fix: bind it again: sudo dirql bind {device}"),
        "see: dirql explain E13",
    ])
}

/// What each program does, and what it says once it is at work.
fn programs(device: &str) -> [(String, &'static str); 3] {
    [
        (format!("dirql run {device}"), "link up"),
        (format!("dirql net {device} ping 10.0.2.2 --count 65535 --interval 10"), "seq=10 "),
        (format!("dirql net {device} pcap /share/in.pcap"), "receiving on"),
    ]
}

fn unbind() -> Result<()> {
    let machine = bound("removal-unbind", Net::User)?;
    for (words, at_work) in programs(NIC) {
        let running = machine.command(&words).user("demo").spawn()?;
        running.until(PATIENCE, |output| (output.text() + &output.error_text()).contains(at_work))?;
        let seconds = unbind_now(&machine, NIC)?;
        let output = says_why(running.wait(PATIENCE)?, NIC)?;
        check(output.error_text().matches("error:").count() == 1, || format!("more than that\n{output}"))?;
        check(!output.error_text().contains("ERROR"), || format!("the log complains\n{output}"))?;
        println!("{words}: unbound after {seconds:.2} s of the guest's time");
        machine.root(&format!("dirql bind {NIC} --owner demo"))?.ok()?;
    }
    let refused = interrupted_selftest(&machine)?;
    refused.exits(7)?.says(&[
        &format!("error: selftest for {EDU} failed: ENODEV ("),
        "why: the host wants the device back",
        "E13",
    ])?;
    no_faults(&machine)
}

/// Takes the device from a selftest that holds it. That of edu copies by DMA for a while; where one was over
/// before the unbind reached it, the next one is tried.
fn interrupted_selftest(machine: &Machine) -> Result<Output> {
    for _ in 0..20 {
        let running = machine.command(&format!("dirql selftest {EDU}")).user("demo").spawn()?;
        let fds = format!("/proc/{}/fd", running.pid());
        machine.shell(&format!("while [ -e {fds} ] && ! ls -l {fds} | grep -q vfio-device; do :; done"))?;
        unbind_now(machine, EDU)?;
        let output = running.wait(PATIENCE)?;
        if output.code() != Some(0) {
            return Ok(output);
        }
        machine.root(&format!("dirql bind {EDU} --owner demo"))?.ok()?;
    }
    Err("twenty selftests were over before the host could take the device".into())
}

fn unplug() -> Result<()> {
    let machine = Machine::builder("removal-unplug")
        .device("pcie-root-port,id=root1,addr=02.0,chassis=1,slot=1")
        .nic("lan", "e1000,bus=root1,mac=52:54:00:d1:60:01", Net::User)
        .boot()?;
    machine.root(&format!("dirql bind {PLUGGED} --owner demo"))?.ok()?;
    let (words, at_work) = &programs(PLUGGED)[1];
    let running = machine.command(words).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.text().contains(at_work))?;
    let started = Instant::now();
    machine.qmp().execute(&qmp::device_del { id: "lan".to_owned() })?;
    says_why(running.wait(PATIENCE)?, PLUGGED)?;
    let sysfs = format!("/sys/bus/pci/devices/{PLUGGED}");
    while machine.shell(&format!("[ -e {sysfs} ]"))?.code() == Some(0) {
        check(started.elapsed() < PATIENCE, || "the kernel still has it".into())?;
        thread::sleep(Duration::from_millis(100));
    }
    println!("unplugged after {:.2} s", started.elapsed().as_secs_f64());
    no_faults(&machine)
}

/// A function that can be reset: the kernel, which is about to take it back, does not let anybody do so.
fn hold() -> Result<()> {
    let machine = Machine::builder("removal-hold")
        .device("pcie-root-port,id=root1,addr=02.0,chassis=1,slot=1")
        .device("virtio-rng-pci,bus=root1,disable-legacy=on,iommu_platform=on")
        .boot()?;
    machine.root(&format!("dirql bind {PLUGGED} --owner demo"))?.ok()?;
    let running = machine.command(&format!("dirql-lab-probe hold {PLUGGED}")).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.text().contains("holding, and it can be reset"))?;
    let seconds = unbind_now(&machine, PLUGGED)?;
    let output = running.wait(PATIENCE)?.ok()?;
    check(output.stderr.is_empty(), || format!("it complains\n{output}"))?;
    println!("let go of after {seconds:.2} s of the guest's time");
    no_faults(&machine)
}

fn revoke() -> Result<()> {
    let machine = bound("removal-revoke", Net::User)?;
    let words = format!("dirql-lab-probe stubborn {EDU} /share/end");
    let running = machine.command(&words).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.text().contains("started"))?;
    let held = |what: &str| -> Result<String> {
        let pid = running.pid();
        Ok(machine.shell(&format!("{{ ls -l /proc/{pid}/fd; cat /proc/{pid}/maps; }} | grep {what}"))?.text())
    };
    check(!held("vfio")?.is_empty(), || "it holds nothing of VFIO at first".into())?;
    let seconds = unbind_now(&machine, EDU)?;
    println!("revoked after {seconds:.2} s of the guest's time");
    running.until(PATIENCE, |output| output.text().contains("revoked"))?;
    let left = held("vfio")?;
    check(left.is_empty(), || format!("it still holds {left}"))?;
    // The next one can have the device while the old one still thinks of it.
    machine.root(&format!("dirql bind {EDU} --owner demo"))?.ok()?;
    machine.user("demo", &format!("dirql selftest {EDU}"))?.ok()?;
    fs::write(machine.share().join("end"), "")?;
    let output = running.wait(PATIENCE)?.ok()?;
    check(output.stderr.is_empty(), || format!("it complains\n{output}"))?;
    machine.user("demo", &format!("dirql selftest {EDU}"))?.ok()?;
    no_faults(&machine)
}
