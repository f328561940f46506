//! The kernel's network through our drivers, by a TAP interface.

use crate::frames::Random;
use crate::nics::{Row, all, bind, families, pcap, unbound};
use crate::traffic::no_faults;
use crate::{check, http, test};
use dirql_lab::pcap::Counter;
use dirql_lab::{Machine, Net, Output, Result, Running};
use libtest_mimic::Trial;
use std::time::Duration;
use std::{fs, process};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the download may take: it is but a deadline.
const DOWNLOAD: Duration = Duration::from_secs(300);
const SIZE: usize = 64 << 20;
const INTERRUPT: i32 = 2;
/// The interface.
const TAP: &str = "dirql0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("tap::the_kernel_pings_and_downloads", download),
        test("tap::twenty_pulled_cables_during_traffic", cables),
    ]
}

/// A machine with a NIC of each family, and what bridges need.
fn machine(name: &str) -> Result<Machine> {
    let rows = families();
    let machine = unbound(name, &rows, Net::User, false)?;
    bind(&machine, &rows)?;
    machine.root("modprobe tun")?.ok()?;
    Ok(machine)
}

/// Bridges a NIC as root, who may make interfaces, and gives the kernel an address through it.
fn bridge(machine: &Machine, row: &Row, options: &str) -> Result<Running> {
    let program = machine.command(&row.net(&format!("tap {TAP} --up{options}"))).spawn()?;
    program.until(PATIENCE, |output| output.error_text().contains("bridging"))?;
    carrier(machine, true)?;
    machine.root(&format!("udhcpc -i {TAP} -n -q -s /etc/udhcpc.script"))?.ok()?;
    Ok(program)
}

/// Ends the bridge.
fn end(machine: &Machine, program: Running) -> Result<()> {
    program.signal(INTERRUPT)?;
    gone(machine, program.wait(PATIENCE)?)
}

/// The bridge has ended well; the interface is gone with it.
fn gone(machine: &Machine, bridge: Output) -> Result<()> {
    bridge.ok()?;
    machine.root(&format!("test -e /sys/class/net/{TAP}"))?.exits(1)?;
    no_faults(machine)
}

/// Waits until the kernel sees the cable so.
fn carrier(machine: &Machine, up: bool) -> Result<()> {
    let wanted = u8::from(up);
    let line =
        format!("until [ \"$(cat /sys/class/net/{TAP}/carrier 2>&1)\" = {wanted} ]; do sleep 0.02; done");
    machine
        .shell(&line)?
        .ok()
        .map(drop)
        .map_err(|error| format!("the carrier was never {wanted}: {error}").into())
}

fn download() -> Result<()> {
    let machine = machine("tap-download")?;
    let mut random = Random(64);
    let content: Vec<u8> = (0..SIZE / 8).flat_map(|_| random.next().to_ne_bytes()).collect();
    let path = machine.share().join("content");
    fs::write(&path, &content)?;
    let sum = process::Command::new("sha256sum").arg(&path).output()?.stdout;
    let sum = String::from_utf8_lossy(&sum).split(' ').next().unwrap_or_default().to_owned();
    check(sum.len() == 64, || "the host has no sha256sum".into())?;
    let port = http::serve(content)?;
    all(&families(), |row| {
        let program = bridge(&machine, row, "")?;
        machine.root(&format!("ping -c 5 -W 5 -I {TAP} 10.0.2.2"))?.ok()?;
        // The host's loopback is behind this address.
        let line = format!("wget -q -O - http://10.0.2.2:{port}/ | sha256sum");
        let found = machine.argv(["sh", "-c", &line]).timeout(DOWNLOAD).run()?.ok()?.text();
        check(found.starts_with(&sum), || format!("wanted {sum}, found {found}"))?;
        end(&machine, program)
    })
}

fn cables() -> Result<()> {
    let machine = machine("tap-cables")?;
    all(&families(), |row| {
        let program = bridge(&machine, row, "")?;
        let pings = machine.command("ping -i 0.05 10.0.2.2").spawn()?;
        let pulled = pull(&machine, row);
        let replies = pings.until(PATIENCE, |output| output.text().contains("bytes from"));
        let ended = pings.signal(INTERRUPT).and(program.signal(INTERRUPT));
        let (pings, bridge) = (pings.wait(PATIENCE)?, program.wait(PATIENCE)?);
        pulled.and(replies).and(ended).map_err(|error| format!("{error}\n{pings}\n{bridge}"))?;
        gone(&machine, bridge)
    })
}

/// Pulls the cable and plugs it in again, while frames are sent.
fn pull(machine: &Machine, row: &Row) -> Result<()> {
    let mut cable = Counter::new(&pcap(machine, row))?.sent_by(row.nic.mac());
    let changes = || -> Result<u32> {
        let path = format!("/sys/class/net/{TAP}/carrier_changes");
        Ok(machine.root(&format!("cat {path}"))?.ok()?.text().trim().parse()?)
    };
    let before = changes()?;
    for round in 0..20 {
        let failed = |error| format!("round {round}: {error}");
        machine.qmp().set_link(row.nic.name, false)?;
        carrier(machine, false).map_err(failed)?;
        machine.qmp().set_link(row.nic.name, true)?;
        carrier(machine, true).map_err(failed)?;
        let sent = cable.count()?;
        cable.wait(sent + 3, PATIENCE).map_err(|error| format!("round {round}: no pings go out: {error}"))?;
    }
    let seen = changes()? - before;
    check(seen == 40, || format!("{seen} changes of 40 arrived"))
}
