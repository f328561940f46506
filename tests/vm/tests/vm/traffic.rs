//! Frames out and frames in, compared byte by byte outside, for every NIC.

use crate::frames::{difference, frames};
use crate::nics::{Row, each, pcap, rows, wire};
use crate::{check, test};
use dirql_lab::pcap::{self as file, Counter, Echoes};
use dirql_lab::{Machine, Net, Result};
use libtest_mimic::Trial;
use std::time::Duration;

/// Batch sizes that share no factor with a ring's length.
const BATCHES: [usize; 3] = [7, 31, 255];

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("traffic::a_thousand_frames_go_out_unchanged_and_in_order", || {
            each("traffic-send", &rows(), Net::Wire, send)
        }),
        test("traffic::a_thousand_frames_come_in_unchanged_and_in_order", || {
            each("traffic-receive", &rows(), Net::Wire, receive)
        }),
        test("traffic::a_hundred_thousand_frames_in_batches_of_7", || wrap(0)),
        test("traffic::a_hundred_thousand_frames_in_batches_of_31", || wrap(1)),
        test("traffic::a_hundred_thousand_frames_in_batches_of_255", || wrap(2)),
        test("traffic::twenty_pings", || each("traffic-ping", &rows(), Net::User, ping)),
        test("traffic::a_pulled_cable_is_seen", || each("traffic-link", &rows(), Net::User, link)),
    ]
}

fn send(machine: &Machine, row: &'static Row) -> Result<()> {
    out(machine, row, 1000, 1514, 32)
}

/// Each row in one batch size, and the rows of a family in all of them between them; the first row in all.
fn wrap(turn: usize) -> Result<()> {
    let batch = BATCHES[turn];
    let chosen: Vec<&'static Row> = rows()
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index == 0 || index % BATCHES.len() == turn)
        .map(|(_, row)| row)
        .collect();
    each(&format!("traffic-batches-{batch}"), &chosen, Net::Wire, |machine, row| {
        out(machine, row, 100_000, 120, batch)
    })
}

/// Sends so many frames, and finds them on the cable.
fn out(machine: &Machine, row: &Row, count: usize, longest: usize, batch: usize) -> Result<()> {
    let before = Counter::new(&pcap(machine, row))?.count()?;
    let wanted = frames(row.nic.mac(), batch as u64, count, 60, longest);
    file::write(&machine.share().join("out.pcap"), &wanted)?;
    let words = row.net(&format!("send /share/out.pcap --batch {batch}"));
    machine.command(&words).user("demo").timeout(Duration::from_secs(120)).run()?.ok()?;
    let found = file::read(&pcap(machine, row))?.split_off(before);
    check(wanted == found, || difference(&wanted, &found).unwrap_or_default())?;
    no_faults(machine)
}

fn receive(machine: &Machine, row: &'static Row) -> Result<()> {
    let wanted = frames(row.nic.mac(), 2, 1000, 60, 1514);
    let path = machine.share().join("in.pcap");
    let words = row.net("pcap /share/in.pcap --count 1000 --seconds 20");
    let running = machine.command(&words).user("demo").spawn()?;
    // What comes before is for nobody.
    running.until(Duration::from_secs(20), |output| output.error_text().contains("receiving on"))?;
    let mut taken = Counter::new(&path)?;
    wire(machine, row)?.inject(&wanted, &mut taken, Duration::from_secs(10))?;
    let output = running.wait(Duration::from_secs(40))?.ok()?;
    let found = file::read(&path)?;
    check(wanted == found, || format!("{}\n{output}", difference(&wanted, &found).unwrap_or_default()))?;
    no_faults(machine)
}

fn ping(machine: &Machine, row: &'static Row) -> Result<()> {
    let before = Counter::new(&pcap(machine, row))?.count()?;
    let words = row.net("ping 10.0.2.2 --count 20 --interval 200 --json");
    let output = machine.user("demo", &words)?.ok()?;
    let report = output.json()?;
    let echoes = Echoes::of(&file::read(&pcap(machine, row))?[before..]);
    check(echoes.requests.len() == 20 && echoes.answered() == 20, || format!("outside: {echoes:?}"))?;
    // Replies are there before anybody sleeps, so that there may have been no interrupt.
    let vector = &report["vectors"][0];
    let holds = report["sent"] == 20
        && report["received"] == 20
        && report["rtt_us"]["p50"].as_f64() > Some(0.0)
        && report["rtt_us"]["p99"].as_f64() >= report["rtt_us"]["p50"].as_f64()
        && vector["mode"] == row.mode
        && vector["index"] == 0
        && vector["count"].is_u64()
        && vector["spurious"].is_u64()
        && vector["handler_ns"]["p50"].is_number()
        && vector["handler_ns"]["p99"].is_number()
        && vector["synchronize"]["calls"].is_u64()
        && vector["synchronize"]["wait_ns"]["p99"].is_number();
    check(holds, || format!("the report\n{output}"))?;
    no_faults(machine)
}

fn link(machine: &Machine, row: &'static Row) -> Result<()> {
    let words = format!("dirql run {}{}", row.nic.address(), row.settings());
    let running = machine.command(&words).user("demo").spawn()?;
    let patience = Duration::from_secs(20);
    // What it said last of the link.
    let link = |words: &'static str| {
        running.until(patience, |output| {
            output
                .text()
                .lines()
                .rfind(|line| line.starts_with("link "))
                .is_some_and(|line| line.contains(words))
        })
    };
    link("up")?;
    machine.qmp().set_link(row.nic.name, false)?;
    link("down")?;
    machine.qmp().set_link(row.nic.name, true)?;
    link("up")?;
    running.signal(2)?;
    running.wait(patience)?.ok()?;
    no_faults(machine)
}

/// Fails if the IOMMU has reported a fault.
pub fn no_faults(machine: &dirql_lab::Guest) -> Result<()> {
    let faults = machine.dmar_faults()?;
    check(faults.is_empty(), || format!("the IOMMU reported {faults:#?}"))
}
