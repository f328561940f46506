//! What a running driver counts, asked for from outside, as observers count it.

use crate::frames::frames;
use crate::traffic::no_faults;
use crate::{NIC, bound, check, test};
use dirql::telemetry::{Report, openmetrics};
use dirql_lab::pcap::{self as file, Counter};
use dirql_lab::{Machine, Net, Output, Result, Running};
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);
/// Frames that are sent, and that come in.
const FRAMES: usize = 1234;
const KILL: i32 = 9;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("stats::prometheus_reads_what_is_told", parsed),
        test("stats::a_running_driver_tells_what_the_cable_saw", outside),
        test("stats::its_user_and_root_may_ask_and_nobody_else", users),
        test("stats::after_a_kill_the_next_program_publishes", killed),
    ]
}

/// Reads text by Prometheus's own parsers, of OpenMetrics and of the older format, and prints the samples of the first.
const PARSE: &str = r#"
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
text = open(sys.argv[1]).read()
older = {sample.name for family in plain(text) for sample in family.samples}
samples = [[family.type, family.unit, sample.name, sample.labels, sample.value]
           for family in openmetrics(text) for sample in family.samples]
missing = {sample[2] for sample in samples} - older
assert not missing, missing
json.dump(samples, sys.stdout)
"#;

/// A sample, as the parser had it.
struct Sample {
    kind: String,
    unit: String,
    name: String,
    labels: Value,
    value: f64,
}

/// What Prometheus has of a file.
fn prometheus(path: &Path) -> Result<Vec<Sample>> {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-I", "-c", PARSE]).arg(path).stdin(Stdio::null());
    let document: Value = serde_json::from_slice(&dirql_lab::install::run(&mut command)?)?;
    let samples = document.as_array().ok_or("the parser gave no list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sample = |sample: &Value| Sample {
        kind: text(&sample[0]),
        unit: text(&sample[1]),
        name: text(&sample[2]),
        labels: sample[3].clone(),
        value: sample[4].as_f64().unwrap_or(f64::NAN),
    };
    Ok(samples.iter().map(sample).collect())
}

/// The one sample of this name that has these labels besides those of a device.
fn sample<'a>(samples: &'a [Sample], name: &str, labels: &[(&str, &str)]) -> Result<&'a Sample> {
    let is_it = |sample: &&Sample| {
        let all = sample.labels.as_object().map_or(0, serde_json::Map::len);
        sample.name == name
            && all == labels.len() + 2
            && labels.iter().all(|(label, value)| sample.labels[label] == *value)
    };
    let found: Vec<_> = samples.iter().filter(is_it).collect();
    match found[..] {
        [only] => Ok(only),
        _ => Err(format!("{} samples {name} with {labels:?}", found.len()).into()),
    }
}

/// Whatever a program is called.
fn parsed() -> Result<()> {
    dirql_lab::install::ensure(dirql_lab::install::TESTS)?;
    let strange = "a \"b\\c\"\nd\u{e9}{},#";
    let report: Report = serde_json::from_value(serde_json::json!({
        "address": NIC, "pid": 17, "program": strange, "driver": "e1000", "vectors": [], "uptime_seconds": 0.25,
        "times": [{
            "index": 3,
            "handler": {
                "count": 11, "sum_ns": 1_500_000_000,
                "shorter": [{ "than_ns": 512, "count": 4 }, { "than_ns": 1024, "count": 9 }],
            },
            "handler_wait": { "count": 0, "sum_ns": 0, "shorter": [] },
            "section_hold": { "count": 0, "sum_ns": 0, "shorter": [] },
            "section_wait": { "count": 0, "sum_ns": 0, "shorter": [] },
            "deferred": { "count": 0, "sum_ns": 0, "shorter": [] },
        }],
        "random": { "reads": 1, "bytes": u64::MAX },
    }))?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("metrics");
    let text = openmetrics(&[report]);
    fs::write(&path, &text)?;
    let samples = prometheus(&path)?;
    let info = samples.iter().find(|sample| sample.name == "dirql_device_info").ok_or("no device")?;
    check(info.labels["program"] == strange && info.labels["device"] == NIC, || info.labels.to_string())?;
    let vector = ("vector", "3");
    let bucket = sample(&samples, "dirql_handler_duration_seconds_bucket", &[vector, ("le", "0.000001024")])?;
    let sum = sample(&samples, "dirql_handler_duration_seconds_sum", &[vector])?;
    let bytes = sample(&samples, "dirql_random_bytes_total", &[])?;
    let holds = (bucket.value, bucket.kind.as_str(), bucket.unit.as_str()) == (9.0, "histogram", "seconds")
        && sum.value == 1.5
        && (bytes.kind.as_str(), bytes.unit.as_str()) == ("counter", "bytes")
        && bytes.value == u64::MAX as f64;
    check(holds, || text.clone())?;
    // The parser is one that refuses.
    for broken in [text.replace("# EOF\n", ""), text.replace("_total", ""), text.replace("\\\"b", "\"b")] {
        fs::write(&path, broken)?;
        check(prometheus(&path).is_err(), || "what is no OpenMetrics was read".into())?;
    }
    Ok(())
}

/// A driver that sends and receives, and the same numbers as outside.
fn outside() -> Result<()> {
    let machine = bound("stats-outside", Net::Wire)?;
    let wanted = frames([0x52, 0x54, 0, 0xd1, 0x60, 1], 6, FRAMES, 60, 300);
    let bytes: usize = wanted.iter().map(Vec::len).sum();
    let words = format!("dirql net {NIC} pcap /share/in.pcap");
    let running = machine.command(&words).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("receiving on"))?;
    let mut taken = Counter::new(&machine.share().join("in.pcap"))?;
    machine.wire("lan")?.inject(&wanted, &mut taken, PATIENCE)?;
    taken.wait(FRAMES, PATIENCE)?;
    let (frames, bytes) = (FRAMES as f64, bytes as f64);
    let document = machine.user("demo", &format!("dirql stats {NIC} --json"))?.ok()?.json()?;
    let [device] = document["devices"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(format!("there is one device: {document:#}").into());
    };
    let (net, queue) = (&device["net"], &device["net"]["queues"][0]);
    let holds = device["address"] == NIC
        && device["pid"] == running.pid()
        && device["uid"] == 1000
        && device["driver"] == "e1000"
        && queue["receive_frames"].as_f64() == Some(frames)
        && queue["receive_bytes"].as_f64() == Some(bytes)
        && queue["receive_dropped"] == 0
        && queue["receive_doorbells"].as_u64() > Some(0)
        && net["statistics"]["receive_frames"].as_f64() == Some(frames)
        && net["statistics"]["receive_missed"] == 0
        && net["link"]["up"] == true
        && device["dma"]["used_bytes"].as_u64() > Some(0)
        && device["vectors"][0]["count"].as_u64() > Some(0);
    check(holds, || format!("{document:#}"))?;
    let found = file::read(&machine.share().join("in.pcap"))?;
    check(found.len() == FRAMES, || format!("{} frames in the file", found.len()))?;

    // The same to Prometheus, of everything that runs.
    let shell = "dirql stats --openmetrics > /share/dirql.prom";
    machine.argv(["sh", "-c", shell]).user("demo").run()?.ok()?;
    let samples = prometheus(&machine.share().join("dirql.prom"))?;
    for (name, value) in [("frames", frames), ("bytes", bytes)] {
        let told = sample(&samples, &format!("dirql_queue_receive_{name}_total"), &[("queue", "0")])?;
        check(told.value == value && told.kind == "counter", || format!("{name}: {}", told.value))?;
    }
    let calls = sample(&samples, "dirql_handler_calls_total", &[("vector", "0")])?;
    let handled = sample(&samples, "dirql_handler_duration_seconds_count", &[("vector", "0")])?;
    check(calls.value > 0.0 && handled.value >= calls.value, || format!("{} calls", calls.value))?;

    // Two looks in one command, and a rate between them.
    let words = format!("dirql stats {NIC} --watch 0.2 --seconds 1 --json");
    let watched = machine.user("demo", &words)?.ok()?.json()?;
    check(watched["devices"][0]["rates"]["queue 0 receive frames"] == 0.0, || format!("{watched:#}"))?;
    let text = machine.user("demo", &format!("dirql stats {NIC}"))?.ok()?;
    let fits = text.text().lines().all(|line| line.chars().count() <= 80);
    check(fits && text.text().contains("queue 0 receive frames"), || text.to_string())?;
    // The accumulator is one: what it told from outside is in the program's own sums as well.
    running.signal(2)?;
    running.wait(PATIENCE)?.ok()?;
    sent(&machine)?;
    no_faults(&machine)
}

/// Frames that go out are counted while they do: each look lies between the observer's before and after.
fn sent(machine: &Machine) -> Result<()> {
    file::write(
        &machine.share().join("out.pcap"),
        &frames([0x52, 0x54, 0, 0xd1, 0x60, 1], 7, 200_000, 60, 60),
    )?;
    let mut cable = Counter::new(&machine.pcap("lan"))?;
    let before = cable.count()?;
    let words = format!("dirql net {NIC} send /share/out.pcap --batch 31");
    let running = machine.command(&words).user("demo").spawn()?;
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut looks = 0;
    while looks < 2 {
        let at_least = Counter::new(&machine.pcap("lan"))?.count()? - before;
        let output = machine.user("demo", &format!("dirql stats {NIC} --json"))?;
        if output.code() == Some(0) && at_least > 0 {
            let document = output.json()?;
            let told = document["devices"][0]["net"]["queues"][0]["transmit_frames"].as_u64().unwrap_or(0);
            check(told as usize >= at_least && told <= 200_000, || format!("{told} told, {at_least} seen"))?;
            looks += 1;
        }
        check(Instant::now() < deadline, || format!("{looks} looks at a program that sends\n{output}"))?;
    }
    running.signal(KILL)?;
    running.wait(PATIENCE)?;
    Ok(())
}

/// A program of demo's that drives the NIC, with this in its environment.
fn driven(machine: &Machine, runtime: Option<&str>) -> Result<Running> {
    let mut command = machine.command(&format!("dirql net {NIC} pcap /share/in.pcap")).user("demo");
    if let Some(runtime) = runtime {
        command = command.env("XDG_RUNTIME_DIR", runtime);
    }
    let running = command.spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("receiving on"))?;
    Ok(running)
}

fn ended(running: Running) -> Result<Output> {
    running.signal(2)?;
    running.wait(PATIENCE)?.ok()
}

fn users() -> Result<()> {
    let machine = bound("stats-users", Net::User)?;
    let ask = |user: &str| machine.user(user, &format!("dirql stats {NIC} --json"));
    let none = ask("demo")?.exits(6)?;
    let why = none.error_text();
    check(none.stdout.is_empty() && why.contains("dirql run 0000:00:03.0"), || none.to_string())?;
    let nothing = machine.user("demo", "dirql stats --openmetrics")?.ok()?;
    check(nothing.text() == "# EOF\n", || nothing.to_string())?;
    machine
        .shell("mkdir -p /run/user/1000 && chown 1000:1000 /run/user/1000 && chmod 700 /run/user/1000")?
        .ok()?;
    // Wherever it is that the user's programs have their sockets.
    for (runtime, directory) in [
        (None, "/run/user/1000/dirql"),
        (Some("/home/demo"), "/home/demo/dirql"),
        (Some("/home/other"), "/run/user/1000/dirql"),
    ] {
        let running = driven(&machine, runtime)?;
        let modes = machine.shell(&format!("stat -c '%a %u' {directory} {directory}/{NIC}.sock"))?.ok()?;
        check(modes.text() == "700 1000\n600 1000\n", || format!("{directory}\n{modes}"))?;
        if runtime != Some("/home/demo") {
            for user in ["demo", "root"] {
                let document = ask(user)?.ok()?.json()?;
                check(document["devices"][0]["pid"] == running.pid(), || format!("{user}: {document:#}"))?;
                check(document["devices"][0]["uid"] == 1000, || format!("{user}: {document:#}"))?;
            }
        } else {
            let words = format!("dirql stats {NIC}");
            let asked = machine.command(&words).user("demo").env("XDG_RUNTIME_DIR", "/home/demo").run()?;
            check(asked.ok()?.text().contains("user demo"), || "who it is".into())?;
        }
        let stranger = ask("other")?.exits(6)?;
        check(stranger.error_text().contains("user 1001's"), || stranger.to_string())?;
        let all = machine.user("other", "dirql stats --json")?.ok()?.json()?;
        check(all["devices"].as_array().is_some_and(Vec::is_empty), || all.to_string())?;
        ended(running)?;
        machine.shell(&format!("test ! -e {directory}/{NIC}.sock"))?.ok()?;
    }
    // Without a session, the socket is in a directory of /tmp; another's in its place is not used.
    machine.shell("rm -r /run/user")?.ok()?;
    let running = driven(&machine, None)?;
    let modes =
        machine.shell(&format!("stat -c '%a %u' /tmp/dirql-1000 /tmp/dirql-1000/{NIC}.sock"))?.ok()?;
    check(modes.text() == "700 1000\n600 1000\n", || modes.to_string())?;
    for user in ["demo", "root"] {
        ask(user)?.ok()?;
    }
    ended(running)?;
    machine
        .shell("rm -r /tmp/dirql-1000 && mkdir -m 777 /tmp/dirql-1000 && chown 1001:1001 /tmp/dirql-1000")?
        .ok()?;
    // It works all the same; only nobody can ask.
    let running = driven(&machine, None)?;
    ask("demo")?.exits(6)?;
    machine.shell(&format!("test ! -e /tmp/dirql-1000/{NIC}.sock"))?.ok()?;
    ended(running)?;
    // And what a stranger put there for root to find is not believed.
    let fake = "rm -r /tmp/dirql-1000; mkdir -m 700 /tmp/dirql-1001; chown 1001:1001 /tmp/dirql-1001";
    machine.shell(fake)?.ok()?;
    let running = driven(&machine, None)?;
    let link = format!("ln -s /tmp/dirql-1000/{NIC}.sock /tmp/dirql-1001/0000:00:04.0.sock");
    machine.shell(&link)?.ok()?;
    let all = machine.root("dirql stats --json")?.ok()?.json()?;
    let addresses: Vec<_> =
        all["devices"].as_array().into_iter().flatten().map(|of| &of["address"]).collect();
    check(addresses == [NIC], || all.to_string())?;
    ended(running)?;
    no_faults(&machine)
}

fn killed() -> Result<()> {
    let machine = bound("stats-killed", Net::User)?;
    let mut last = None;
    for _ in 0..3 {
        let running = driven(&machine, None)?;
        let ask = machine.user("demo", &format!("dirql stats {NIC} --json"))?.ok()?.json()?;
        let device = &ask["devices"][0];
        check(device["pid"] == running.pid() && last != Some(running.pid()), || ask.to_string())?;
        last = Some(running.pid());
        running.signal(KILL)?;
        running.wait(PATIENCE)?;
        // Its socket is there still, and nobody is taken for it.
        machine.shell(&format!("test -S /tmp/dirql-1000/{NIC}.sock"))?.ok()?;
        machine.user("demo", &format!("dirql stats {NIC}"))?.exits(6)?;
        let all = machine.root("dirql stats --json")?.ok()?.json()?;
        check(all["devices"].as_array().is_some_and(Vec::is_empty), || all.to_string())?;
    }
    no_faults(&machine)
}
