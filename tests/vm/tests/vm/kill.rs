//! A driver that dies without a word, again and again, in the middle of traffic.

use crate::frames::{Random, SENDER, frames};
use crate::nics::{Row, all, bind, family, pcap, unbound, wire};
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::pcap::{self as file, Counter};
use dirql_lab::{Machine, Net, Output, Result, Running};
use libtest_mimic::Trial;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How soon after its start a driver moves frames, whatever the one before left behind.
const SOON: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);
const KILL: i32 = 9;
/// Where the frames come from that the outside sends.
const OUTSIDE: [u8; 6] = [2, 0, 0, 0, 0, 8];

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("kill::twenty_times_in_the_middle_of_traffic_e1000", || twenty("e1000")),
        test("kill::twenty_times_in_the_middle_of_traffic_e1000e", || twenty("e1000e")),
        test("kill::twenty_times_in_the_middle_of_traffic_virtio", || twenty("virtio_net")),
    ]
}

/// Twenty deaths of a family's drivers, row by row in turns.
fn twenty(driver: &'static str) -> Result<()> {
    let rows = family(driver);
    let machine = unbound(&format!("kill-{driver}"), &rows, Net::Wire, false)?;
    bind(&machine, &rows)?;
    all(&rows, |row| {
        let path = machine.share().join(format!("{}.pcap", row.nic.name));
        file::write(&path, &frames(row.nic.mac(), 20, 200_000, 60, 300))
    })?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| chatter(&machine, &rows, &over));
        let result = rounds(&machine, &rows);
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// Sends a frame a millisecond to each NIC all the time, so that a ring that was left behind is written to as soon as the
/// device can.
fn chatter(machine: &Machine, rows: &[&'static Row], over: &AtomicBool) -> Result<()> {
    let mut frame = frames([0xff; 6], 21, 1, 300, 300).remove(0);
    frame[6..12].copy_from_slice(&OUTSIDE);
    while !over.load(Ordering::Relaxed) {
        for row in rows {
            wire(machine, row)?.send(&frame)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn rounds(machine: &Machine, rows: &[&'static Row]) -> Result<()> {
    let mut random = Random(20);
    for round in 0..20 {
        // Each row dies while it sends, and while it receives.
        let (row, moment) = (rows[round / 2 % rows.len()], random.within(1, 20_000));
        let killed = if round % 2 == 0 {
            while_sending(machine, row, random.within(1, 255), moment)
        } else {
            while_receiving(machine, row, moment / 20)
        };
        let end = killed.map_err(|error| format!("round {round}, {row:?}: {error}"))?;
        check(end.code().is_none(), || format!("round {round}: it ended before it was killed\n{end}"))?;
        no_faults(machine).map_err(|error| format!("round {round}, {row:?}: {error}"))?;
    }
    Ok(())
}

/// Kills a driver that has sent so many frames.
fn while_sending(machine: &Machine, row: &Row, batch: usize, moment: usize) -> Result<Output> {
    let mut cable = Counter::new(&pcap(machine, row))?.sent_by(SENDER);
    let before = cable.count()?;
    let words = row.net(&format!("send /share/{}.pcap --batch {batch}", row.nic.name));
    let running = machine.command(&words).user("demo").spawn()?;
    let flows = cable.wait(before + 1, SOON).and_then(|()| cable.wait(before + moment, PATIENCE));
    end(running, flows)
}

/// Kills a driver that has received so many frames.
fn while_receiving(machine: &Machine, row: &Row, moment: usize) -> Result<Output> {
    let started = Instant::now();
    let running = machine.command(&row.net("pcap /share/in.pcap")).user("demo").spawn()?;
    let flows = running.until(SOON, |output| output.error_text().contains("receiving on")).and_then(|_| {
        let mut seen = Counter::new(&machine.share().join("in.pcap"))?.sent_by(OUTSIDE);
        seen.wait(1, SOON.saturating_sub(started.elapsed()))?;
        seen.wait(moment, PATIENCE)
    });
    end(running, flows)
}

fn end(running: Running, flows: Result<()>) -> Result<Output> {
    let killed = running.signal(KILL);
    let end = running.wait(PATIENCE)?;
    flows.and(killed).map_err(|error| format!("{error}\n{end}"))?;
    Ok(end)
}
