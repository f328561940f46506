//! The ways to wait: no frame is lost by any, and who waits without work does nothing.

use crate::frames::{difference, frames};
use crate::nics::{Row, bind, each, families, rows, unbound, wire};
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::pcap::{self as file, Counter};
use dirql_lab::{Guest, Machine, Net, Result};
use libtest_mimic::Trial;
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const INTERRUPT: i32 = 2;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("waiting::frames_that_come_one_by_one_are_all_taken", || {
            each("waiting-single", &rows(), Net::Wire, |machine, row| {
                ["block", "adaptive"].into_iter().try_for_each(|mode| single(machine, row, mode))
            })
        }),
        test("waiting::a_thousand_frames_come_in_by_each_way", || {
            each("waiting-thousand", &families(), Net::Wire, |machine, row| {
                ["adaptive", "poll"].into_iter().try_for_each(|mode| thousand(machine, row, mode))
            })
        }),
        test("waiting::who_has_nothing_to_do_does_nothing", || {
            let machine = unbound("waiting-idle", &rows(), Net::Wire, false)?;
            bind(&machine, &rows())?;
            for rows in together() {
                ["block", "adaptive"].into_iter().try_for_each(|mode| idle(&machine, &rows, mode))?;
            }
            Ok(())
        }),
    ]
}

/// Each frame comes when the driver is about to sleep, or sleeps: an interrupt that got lost between its last look and its
/// sleep would be the last of all.
fn single(machine: &Machine, row: &Row, mode: &str) -> Result<()> {
    let path = machine.share().join("in.pcap");
    // There again once the driver receives.
    let _ = fs::remove_file(&path);
    let words = row.net(&format!("pcap /share/in.pcap --count 300 --wait {mode} --json"));
    let running = machine.command(&words).user("demo").spawn()?;
    machine.shell("until [ -s /share/in.pcap ]; do sleep 0.05; done")?.ok()?;
    let mut taken = Counter::new(&path)?;
    for (count, frame) in (1..).zip(frames(row.nic.mac(), 7, 300, 60, 200)) {
        wire(machine, row)?.send(&frame)?;
        taken
            .wait(count, PATIENCE)
            .map_err(|error| format!("{mode}: frame {count} waits in the ring: {error}"))?;
    }
    let output = running.wait(PATIENCE)?.ok()?;
    let report = output.json()?;
    let vectors = report["vectors"].as_array().cloned().unwrap_or_default();
    let of_all = |key: &str| vectors.iter().filter_map(|vector| vector[key].as_u64()).sum::<u64>();
    let modes = vectors.iter().all(|vector| vector["mode"] == row.mode);
    // Some come while it is awake still.
    check(modes && of_all("count") >= 30 && of_all("calls") >= 30, || {
        format!("{mode}: not by {} interrupts\n{output}", row.mode)
    })?;
    no_faults(machine)
}

fn thousand(machine: &Machine, row: &Row, mode: &str) -> Result<()> {
    let wanted = frames(row.nic.mac(), 3, 1000, 60, 1514);
    let path = machine.share().join("in.pcap");
    let words = row.net(&format!("pcap /share/in.pcap --count 1000 --wait {mode}"));
    let running = machine.command(&words).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("receiving on"))?;
    let mut taken = Counter::new(&path)?;
    wire(machine, row)?.inject(&wanted, &mut taken, PATIENCE)?;
    let output = running.wait(PATIENCE)?.ok()?;
    let found = file::read(&path)?;
    check(wanted == found, || {
        format!("{mode}: {}\n{output}", difference(&wanted, &found).unwrap_or_default())
    })
}

/// All rows, in parts of which each has a NIC once.
fn together() -> Vec<Vec<&'static Row>> {
    let mut parts: Vec<Vec<&Row>> = vec![];
    for row in rows() {
        match parts.iter_mut().find(|part| part.iter().all(|other| other.nic != row.nic)) {
            Some(part) => part.push(row),
            None => parts.push(vec![row]),
        }
    }
    parts
}

/// Counts how often the threads of each gave way while nothing came: each time somebody woke up for nothing.
fn idle(machine: &Machine, rows: &[&'static Row], mode: &str) -> Result<()> {
    let mut running = Vec::new();
    for row in rows {
        let words = row.net(&format!("pcap /share/{}.pcap --wait {mode}", row.nic.name));
        running.push(machine.command(&words).user("demo").spawn()?);
    }
    for (row, running) in rows.iter().zip(&running) {
        running.until(PATIENCE, |output| output.error_text().contains("receiving on"))?;
        // It has worked, and has stopped to look for more.
        let mut taken = Counter::new(&machine.share().join(format!("{}.pcap", row.nic.name)))?;
        wire(machine, row)?.inject(&frames(row.nic.mac(), 5, 100, 60, 60), &mut taken, PATIENCE)?;
    }
    let used = || -> Result<Vec<_>> { running.iter().map(|running| usage(machine, running.pid())).collect() };
    machine.root("sleep 1")?.ok()?;
    let before = used()?;
    machine.root("sleep 3")?.ok()?;
    let after = used()?;
    for running in running {
        running.signal(INTERRUPT)?;
        running.wait(PATIENCE)?.ok()?;
    }
    let mut failed = Vec::new();
    for ((row, before), after) in rows.iter().zip(before).zip(after) {
        let (ticks, switches) = (after.0 - before.0, after.1 - before.1);
        if ticks > 0 || switches > 3 {
            let name = row.name();
            failed.push(format!("{name}: {ticks} ticks of processor time, woken {switches} times"));
        }
    }
    check(failed.is_empty(), || format!("{mode}, while nothing came: {}", failed.join(", ")))
}

/// Ticks of processor time of a process, and how often its threads gave way.
fn usage(guest: &Guest, pid: i32) -> Result<(u64, u64)> {
    let line = format!(
        "sed 's/.*) //' /proc/{pid}/stat | cut -d' ' -f 12,13; \
         grep -h ^voluntary /proc/{pid}/task/*/status | cut -f 2"
    );
    let text = guest.shell(&line)?.ok()?.text();
    let mut lines = text.lines();
    let mut ticks = 0;
    for word in lines.next().unwrap_or_default().split(' ') {
        ticks += word.parse::<u64>()?;
    }
    let switches = lines.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok((ticks, switches))
}
