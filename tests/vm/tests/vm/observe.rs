//! What is seen of a running driver from another process: counters, a timeline, and latencies.

use crate::traffic::no_faults;
use crate::{EDU, NIC, bound, check, test};
use dirql_lab::pcap::Counter;
use dirql_lab::{Machine, Net, Result};
use libtest_mimic::Trial;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(40);

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("observe::irqs_and_trace_ask_the_program_that_drives_the_device", running),
        test("observe::without_one_irqs_starts_the_device_and_others_are_named", alone),
        test("observe::the_latency_of_interrupts_is_drawn", latency),
    ]
}

fn running() -> Result<()> {
    let machine = bound("observe-running", Net::Wire)?;
    let (wire, ended) = (machine.wire("lan")?, AtomicBool::new(false));
    thread::scope(|scope| {
        // One by one, so that the program sleeps before each.
        let sending = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                wire.send(&[0xff; 60])?;
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        let observed = observe(&machine);
        ended.store(true, Ordering::Relaxed);
        let sent = sending.join().map_err(|_| "the thread that sends has panicked")?;
        observed.and(sent)
    })?;
    no_faults(&machine)
}

fn observe(machine: &Machine) -> Result<()> {
    let words = format!("dirql net {NIC} pcap /share/in.pcap");
    let receiving = machine.command(&words).user("demo").spawn()?;
    receiving.until(PATIENCE, |output| output.error_text().contains("receiving on"))?;
    Counter::new(&machine.share().join("in.pcap"))?.wait(10, PATIENCE)?;
    let mut counts = Vec::new();
    for user in ["demo", "root", "demo"] {
        let output = machine.user(user, &format!("dirql irqs {NIC} --seconds 0.5 --json"))?.ok()?;
        let document = output.json()?;
        let vector = &document["vectors"][0];
        let holds = document["program"]["asked"] == true
            && document["program"]["pid"] == receiving.pid()
            && document["program"]["name"] == "dirql"
            && vector["rate"].as_f64() > Some(0.0)
            && vector["handler_ns"]["p999"].as_f64() >= vector["handler_ns"]["p50"].as_f64()
            && vector["synchronize"]["timed"].as_u64() > Some(0)
            && vector["synchronize"]["hold_ns"]["p50"].as_u64() > Some(0);
        check(holds, || format!("what {user} was told\n{output}"))?;
        counts.extend(vector["count"].as_u64());
    }
    check(counts.len() == 3 && counts.is_sorted_by(|a, b| a < b), || format!("the counts {counts:?}"))?;
    // Who may not look into the directory of its socket finds no program, and may not start the device either.
    machine.user("other", &format!("dirql irqs {NIC}"))?.exits(4)?.says(&["E1"])?;
    let output = machine.user("demo", &format!("dirql irqs {NIC} --seconds 0.2"))?.ok()?;
    check(output.text().contains("COALESCED") && output.text().contains("HOLD p50"), || output.to_string())?;

    // Its last section, of the device's counters, is in the trace: that ends with the program.
    let words = format!("dirql trace {NIC} -o /share/trace.json --seconds 60 --json");
    let trace = machine.command(&words).user("demo").spawn()?;
    machine.root("sleep 3")?.ok()?;
    receiving.signal(2)?;
    receiving.wait(PATIENCE)?.ok()?;
    let output = trace.wait(PATIENCE)?.ok()?;
    let told = output.json()?;
    let document: Value = serde_json::from_slice(&fs::read(machine.share().join("trace.json"))?)?;
    let none = Vec::new();
    let events = document["traceEvents"].as_array().unwrap_or(&none);
    let names: BTreeMap<_, _> = events
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["tid"].as_u64(), event["args"]["name"].as_str().unwrap_or_default()))
        .collect();
    let on = |category: &str, thread: &str| {
        let found = events.iter().filter(|event| event["cat"] == category);
        found.filter(|event| names.get(&event["tid"].as_u64()) == Some(&thread)).count()
    };
    let (handlers, sections) = (on("handler", "dirql/00:03.0/0"), on("section", "main"));
    let slices = events.iter().filter(|event| event["ph"] == "X").count() as u64;
    let holds = handlers >= 10 && sections >= 1 && told["events"] == slices;
    check(holds, || {
        format!("{slices} slices, {handlers} of the handler, {sections} sections, on {names:?}\n{output}")
    })
}

fn alone() -> Result<()> {
    let machine = bound("observe-alone", Net::User)?;
    let document = machine.user("demo", &format!("dirql irqs {NIC} --seconds 0.5 --json"))?.ok()?.json()?;
    let holds = document["program"]["asked"] == false && document["vectors"][0]["mode"] == "intx";
    check(holds, || document.to_string())?;
    let words = format!("dirql trace {NIC} -o - --seconds 0.5");
    let trace = machine.user("demo", &words)?.ok()?.json()?;
    check(trace["otherData"]["device"] == NIC, || trace["otherData"].to_string())?;
    // A program that holds the device and tells nothing.
    let hold = format!(
        "exec 3<>/dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{EDU}/iommu_group)); echo held; sleep 600"
    );
    let holder = machine.argv(["sh", "-c", &hold]).user("demo").spawn()?;
    holder.until(PATIENCE, |output| output.text().contains("held"))?;
    for words in ["irqs", "trace -o /share/none.json", "irqs --histogram /share/none.svg"] {
        let (command, rest) = words.split_once(' ').unwrap_or((words, ""));
        let output = machine.user("demo", &format!("dirql {command} {EDU} {rest}"))?;
        output.exits(5)?.says(&["E7", &format!("process {} (", holder.pid())])?;
    }
    holder.signal(9)?;
    holder.wait(PATIENCE)?;
    no_faults(&machine)
}

fn latency() -> Result<()> {
    let machine = bound("observe-latency", Net::User)?;
    for device in [EDU, NIC] {
        let words = format!("dirql irqs {device} --histogram /share/latency.svg --count 500 --json");
        let output = machine.command(&words).user("demo").timeout(PATIENCE).run()?.ok()?;
        let document = output.json()?;
        let (all, vector) = (&document["latency_ns"], &document["vectors"][0]);
        let holds = vector["count"] == 500
            && all["p50"].as_u64() > Some(0)
            && all["p999"].as_u64() >= all["p50"].as_u64()
            && all["max"].as_u64() >= all["p999"].as_u64();
        check(holds, || output.to_string())?;
        let picture = fs::read_to_string(machine.share().join("latency.svg"))?;
        let whole = picture.starts_with("<svg") && picture.ends_with("</svg>\n");
        check(whole && picture.contains(device) && picture.contains("p99.9"), || picture)?;
    }
    no_faults(&machine)
}
