//! Frames out and frames in, compared byte by byte outside.

use crate::frames::{difference, frames};
use crate::{NIC, bound, check, test};
use dirql_lab::pcap::{self, Counter, Echoes};
use dirql_lab::{Net, Result};
use libtest_mimic::Trial;
use std::time::Duration;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("traffic::a_thousand_frames_go_out_unchanged_and_in_order", send),
        test("traffic::a_thousand_frames_come_in_unchanged_and_in_order", receive),
        test("traffic::a_hundred_thousand_frames_in_batches_of_7", || batches(7)),
        test("traffic::a_hundred_thousand_frames_in_batches_of_31", || batches(31)),
        test("traffic::a_hundred_thousand_frames_in_batches_of_255", || batches(255)),
        test("traffic::twenty_pings", ping),
        test("traffic::a_pulled_cable_is_seen", link),
    ]
}

fn send() -> Result<()> {
    let machine = bound("traffic-send", Net::Wire)?;
    let wanted = frames(1, 1000, 60, 1514);
    pcap::write(&machine.share().join("out.pcap"), &wanted)?;
    machine.user("demo", &format!("dirql net {NIC} send /share/out.pcap"))?.ok()?;
    let found = pcap::read(&machine.pcap("lan"))?;
    check(wanted == found, || difference(&wanted, &found).unwrap_or_default())
}

fn receive() -> Result<()> {
    let machine = bound("traffic-receive", Net::Wire)?;
    let wanted = frames(2, 1000, 60, 1514);
    let words = format!("dirql net {NIC} pcap /share/in.pcap --count 1000 --seconds 20");
    let running = machine.command(&words).user("demo").spawn()?;
    // What comes before is for nobody.
    running.until(Duration::from_secs(20), |output| output.error_text().contains("receiving on"))?;
    let mut taken = Counter::new(&machine.share().join("in.pcap"))?;
    machine.wire("lan")?.inject(&wanted, &mut taken, Duration::from_secs(10))?;
    let output = running.wait(Duration::from_secs(40))?.ok()?;
    let found = pcap::read(&machine.share().join("in.pcap"))?;
    check(wanted == found, || format!("{}\n{output}", difference(&wanted, &found).unwrap_or_default()))
}

fn batches(batch: usize) -> Result<()> {
    let machine = bound(&format!("traffic-batches-{batch}"), Net::Wire)?;
    let wanted = frames(batch as u64, 100_000, 60, 120);
    pcap::write(&machine.share().join("out.pcap"), &wanted)?;
    let words = format!("dirql net {NIC} send /share/out.pcap --batch {batch}");
    machine.command(&words).user("demo").timeout(Duration::from_secs(120)).run()?.ok()?;
    let found = pcap::read(&machine.pcap("lan"))?;
    check(wanted == found, || difference(&wanted, &found).unwrap_or_default())
}

fn ping() -> Result<()> {
    let machine = bound("traffic-ping", Net::User)?;
    let output = machine.user("demo", &format!("dirql net {NIC} ping 10.0.2.2 --count 20 --json"))?.ok()?;
    let report = output.json()?;
    let echoes = Echoes::of(&pcap::read(&machine.pcap("lan"))?);
    check(echoes.requests.len() == 20 && echoes.answered() == 20, || format!("outside: {echoes:?}"))?;
    let vector = &report["vectors"][0];
    let holds = report["sent"] == 20
        && report["received"] == 20
        && report["rtt_us"]["p50"].as_f64() > Some(0.0)
        && report["rtt_us"]["p99"].as_f64() >= report["rtt_us"]["p50"].as_f64()
        && vector["index"] == 0
        && vector["mode"] == "intx"
        && vector["count"].as_u64() >= Some(1)
        && vector["spurious"].is_u64()
        && vector["handler_ns"]["p50"].as_f64() > Some(0.0)
        && vector["handler_ns"]["p99"].is_number()
        && vector["synchronize"]["calls"].as_u64() > Some(0)
        && vector["synchronize"]["wait_ns"]["p99"].is_number();
    check(holds, || format!("the report\n{output}"))?;
    no_faults(&machine)
}

fn link() -> Result<()> {
    let machine = bound("traffic-link", Net::User)?;
    let running = machine.command(&format!("dirql run {NIC}")).user("demo").spawn()?;
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
    machine.qmp().set_link("lan", false)?;
    link("down")?;
    machine.qmp().set_link("lan", true)?;
    link("up")?;
    running.signal(2)?;
    running.wait(patience)?.ok()?;
    no_faults(&machine)
}

/// Fails if the IOMMU has reported a fault.
pub fn no_faults(machine: &dirql_lab::Guest) -> Result<()> {
    let faults = machine.dmar_faults()?;
    check(faults.is_empty(), || format!("the IOMMU reported {faults:#?}"))
}
