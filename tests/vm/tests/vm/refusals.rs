//! What dirql says when it cannot, and its exit codes.

use crate::nics::{all, each, families, unbound};
use crate::{EDU, check, test};
use dirql_lab::{Iommu, Machine, Net, Output, Result};
use libtest_mimic::Trial;
use std::time::Duration;

const PRECONDITION: i32 = 3;
const PERMISSION: i32 = 4;
const BUSY: i32 = 5;
const NOT_FOUND: i32 = 6;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("refusals::an_address_that_does_not_exist", absent),
        test("refusals::a_device_on_its_kernel_driver", kernel_driver),
        test("refusals::no_iommu", no_iommu),
        test("refusals::a_group_that_is_not_viable", not_viable),
        test("refusals::no_interrupt_remapping", no_remapping),
        test("refusals::a_device_that_another_process_holds", busy),
        test("refusals::a_user_without_permission", permission),
        test("refusals::too_little_locked_memory", memlock),
        test("refusals::what_is_no_command", usage),
    ]
}

/// The shape of every refusal: the exit code, one `error:` with its lines, nothing on standard output.
fn refuses(output: Output, code: i32, wanted: &[&str]) -> Result<()> {
    let output =
        output.exits(code)?.says(&["error: ", " for ", " failed", "\n  why: ", "\n  fix: "])?.says(wanted)?;
    check(output.stdout.is_empty(), || format!("standard output is not empty\n{output}"))
}

/// What the doctor says of the same: the condition that is not met, with its code and what to do.
fn examined(output: Output, condition: &str, code: &str) -> Result<()> {
    let output = output.exits(PRECONDITION)?;
    let document = output.json()?;
    let conditions = document["conditions"].as_array().ok_or("no conditions")?;
    let found = conditions.iter().find(|found| found["name"] == condition);
    let holds = found
        .is_some_and(|found| found["verdict"] == "fail" && found["code"] == code && found["fix"].is_string());
    check(holds, || format!("{condition} is not said to be {code}\n{output}"))
}

fn absent() -> Result<()> {
    let machine = Machine::builder("refusals-absent").boot()?;
    for words in ["info", "bind", "selftest", "restore"] {
        refuses(machine.root(&format!("dirql {words} 0000:00:19.0"))?, NOT_FOUND, &["0000:00:19.0"])?;
    }
    // With --json, the refusal is a document too, and on standard error.
    let output = machine.root("dirql net 0000:00:19.0 ping 10.0.2.2 --json")?.exits(NOT_FOUND)?;
    let refusal: serde_json::Value = serde_json::from_slice(&output.stderr)?;
    let holds = refusal["error"]["device"] == "0000:00:19.0" && refusal["error"]["exit_code"] == NOT_FOUND;
    check(holds && output.stdout.is_empty(), || format!("{output}"))
}

fn kernel_driver() -> Result<()> {
    let rows = families();
    let machine = unbound("refusals-kernel-driver", &rows, Net::User, true)?;
    all(&rows, |row| {
        let wanted = [&row.nic.address(), row.nic.kernel, "dirql bind", "dirql explain E2"];
        refuses(machine.user("demo", &row.net("ping 10.0.2.2"))?, PRECONDITION, &wanted)?;
        let doctor = format!("dirql doctor {} --json", row.nic.address());
        examined(machine.user("demo", &doctor)?, "kernel driver", "E2")
    })
}

fn no_iommu() -> Result<()> {
    let mut machine = Machine::builder("refusals-no-iommu").iommu(Iommu::Off);
    for row in families() {
        machine = row.nic.plug(machine, Net::User).module(row.nic.module);
    }
    let machine = machine.boot()?;
    all(&families(), |row| {
        let address = row.nic.address();
        let wanted = [&address, "IOMMU", "intel-iommu", "dirql explain E3"];
        refuses(machine.root(&format!("dirql bind {address} --owner demo"))?, PRECONDITION, &wanted)?;
        examined(machine.user("demo", &format!("dirql doctor {address} --json"))?, "IOMMU", "E3")?;
        // The kernel has it still.
        row.nic.interface(&machine).map(drop)
    })
}

fn not_viable() -> Result<()> {
    let machine = Machine::builder("refusals-not-viable")
        .device("pcie-pci-bridge,id=bridge,addr=05.0")
        .nic("one", "e1000,bus=bridge,addr=01.0", Net::User)
        .nic("two", "e1000,bus=bridge,addr=02.0", Net::User)
        .module("e1000")
        .boot()?;
    let addresses = machine.shell("cd /sys/bus/pci/drivers/e1000; ls -d 0000:*")?.ok()?.text();
    let [one, two] = addresses.lines().collect::<Vec<_>>()[..] else {
        return Err(format!("not two NICs: {addresses}").into());
    };
    let wanted = [one, two, "e1000", "dirql explain E4"];
    let bind = machine.root(&format!("dirql bind {one} --owner demo"))?;
    if bind.code() == Some(0) {
        examined(machine.user("demo", &format!("dirql doctor {one} --json"))?, "IOMMU group", "E4")?;
        refuses(machine.user("demo", &format!("dirql selftest {one}"))?, PRECONDITION, &wanted)?;
    } else {
        refuses(bind, PRECONDITION, &wanted)?;
    }
    // What it says is to be done helps.
    let said = machine.user("demo", &format!("dirql doctor {one} --json"))?.json()?;
    let conditions = said["conditions"].as_array().ok_or("no conditions")?;
    let mut fixes = conditions.iter().filter_map(|condition| condition["fix"].as_str());
    let bind = fixes.find(|fix| fix.contains("--group")).ok_or_else(|| format!("{said}"))?;
    machine.root(&bind.replace("sudo ", "").replace("$USER", "demo"))?.ok()?;
    machine.user("demo", &format!("dirql doctor {one}"))?.ok()?;
    machine.user("demo", &format!("dirql selftest {two}"))?.ok().map(drop)
}

fn no_remapping() -> Result<()> {
    let machine = Machine::builder("refusals-no-remapping")
        .iommu(Iommu::NoInterruptRemapping)
        .device("edu,addr=04.0")
        .boot()?;
    machine.root(&format!("dirql bind {EDU} --owner demo"))?.ok()?;
    let wanted = [EDU, "interrupt remapping", "intremap=on", "dirql explain E5"];
    examined(machine.user("demo", "dirql doctor --json")?, "interrupt remapping", "E5")?;
    refuses(machine.user("demo", &format!("dirql selftest {EDU}"))?, PRECONDITION, &wanted)
}

fn busy() -> Result<()> {
    each("refusals-busy", &families(), Net::User, |machine, row| {
        let address = row.nic.address();
        let running = machine.command(&format!("dirql run {address}")).user("demo").spawn()?;
        // It holds the device when it says something.
        running.until(Duration::from_secs(20), |output| !output.stdout.is_empty())?;
        let pid = running.pid().to_string();
        let holder = format!("process {pid} (dirql, user demo");
        let wanted = [&address, &holder, "dirql explain E7"];
        refuses(machine.user("demo", &format!("dirql selftest {address}"))?, BUSY, &wanted)?;
        examined(machine.user("demo", &format!("dirql doctor {address} --json"))?, "holders", "E7")?;
        running.signal(2)?;
        running.wait(Duration::from_secs(20))?.ok()?;
        machine.user("demo", &format!("dirql selftest {address}"))?.ok().map(drop)
    })
}

fn permission() -> Result<()> {
    each("refusals-permission", &families(), Net::User, |machine, row| {
        let address = row.nic.address();
        let wanted = [address.as_str(), "/dev/vfio/", "demo", "dirql explain E1"];
        refuses(machine.user("other", &format!("dirql selftest {address}"))?, PERMISSION, &wanted)?;
        examined(machine.user("other", &format!("dirql doctor {address} --json"))?, "VFIO node", "E1")?;
        machine.user("demo", &format!("dirql doctor {address}"))?.exits(0)?;
        refuses(machine.user("demo", "dirql bind 0000:00:1c.0")?, PERMISSION, &["root"])
    })
}

fn memlock() -> Result<()> {
    each("refusals-memlock", &families(), Net::User, |machine, row| {
        let command =
            |bytes| machine.command(&row.net("ping 10.0.2.2 --count 1")).user("demo").memlock(bytes).run();
        let wanted = [&row.nic.address(), "64 KiB", "RLIMIT_MEMLOCK", "LimitMEMLOCK=", "dirql explain E9"];
        refuses(command(64 << 10)?, PRECONDITION, &wanted)?;
        let doctor = format!("dirql doctor {} --json", row.nic.address());
        examined(machine.command(&doctor).user("demo").memlock(64 << 10).run()?, "memlock", "E9")?;
        command(8 << 20)?.ok().map(drop)
    })
}

fn usage() -> Result<()> {
    let machine = Machine::builder("refusals-usage").boot()?;
    for words in ["no-such-command", "info", "net 0000:00:03.0 ping nowhere"] {
        let output = machine.user("demo", &format!("dirql {words}"))?.exits(2)?;
        check(output.stdout.is_empty() && !output.stderr.is_empty(), || format!("{output}"))?;
    }
    for code in 1..=15 {
        let output = machine.user("demo", &format!("dirql explain E{code}"))?.ok()?;
        check(output.text().contains(&format!("E{code}")), || format!("{output}"))?;
    }
    Ok(())
}
