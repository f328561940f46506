//! Every command on real devices under `--json`: stdout is one document or nothing, stderr is nothing or one error's.

use crate::display::rows;
use crate::{EDU, NIC, check, test};
use dirql_lab::{Machine, Net, Output, Result};
use libtest_mimic::Trial;
use serde_json::Value;

/// What a frame and the rings take, and something over.
const MEMLOCK: u64 = 32 << 20;
const RNG: &str = "0000:00:06.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("documents::every_command_prints_one_or_nothing", walk)]
}

fn walk() -> Result<()> {
    let display = rows::GPU;
    let machine = rows::builder("documents", &[display])
        .nic("lan", "e1000,addr=03.0,mac=52:54:00:d1:60:01", Net::User)
        .device("edu,addr=04.0")
        .device("virtio-rng-pci,addr=06.0,disable-legacy=on,iommu_platform=on")
        .boot()?;
    let screen = rows::GPU.address();
    let all = [NIC, EDU, screen.as_str(), RNG];
    for address in all {
        says(&machine, "root", &format!("bind {address} --dry-run"), Some(0))?;
    }
    says(&machine, "root", &format!("bind {} --owner demo", all.join(" ")), Some(0))?;
    for words in ["list", "udev show", "completions bash", "man /share/man", "explain E9"] {
        says(&machine, "demo", words, Some(0))?;
    }
    for address in all {
        for words in [
            format!("info {address}"),
            format!("config {address}"),
            format!("config {address} 0"),
            format!("run {address} --seconds 0.1"),
            format!("selftest {address}"),
        ] {
            says(&machine, "demo", &words, Some(0))?;
        }
        for words in [
            // Not every device has a BAR 0 of memory, a reset, that class, or all conditions met.
            format!("doctor {address}"),
            format!("regs {address} 0 --length 4"),
            format!("reset {address}"),
            format!("irqs {address} --seconds 0.1"),
            format!("trace {address} --seconds 0.1 -o /share/trace.json"),
            format!("irqs {address} --histogram /share/x.svg --count 10"),
            format!("net {address} bench tx --seconds 0.1"),
            format!("net {address} pcap /share/x.pcap --seconds 0.1"),
            format!("display {address} modes"),
            format!("random {address} --bytes 16 -o /share/random"),
        ] {
            says(&machine, "demo", &words, None)?;
        }
    }
    says(&machine, "demo", &format!("net {NIC} ping 10.0.2.2 --count 1"), Some(0))?;
    says(&machine, "demo", &format!("net {NIC} send /share/x.pcap"), None)?;
    says(&machine, "demo", &format!("net {NIC} tap tap0"), None)?;
    for action in ["clear", "pattern grid --seconds 0.1", "bench --seconds 0.4", "show /share/x.svg"] {
        says(&machine, "demo", &format!("display {screen} {action}"), None)?;
    }
    says(&machine, "demo", &format!("restore {NIC}"), Some(4))?;
    says(&machine, "root", "restore --all", Some(0))?;
    says(&machine, "demo", &format!("run {NIC} --seconds 0.1"), Some(3)).map(drop)
}

/// What one command says. Without a code any will do that is not that of a panic or a signal.
fn says(machine: &Machine, user: &str, words: &str, code: Option<i32>) -> Result<Output> {
    let output = machine.command(&format!("dirql {words} --json")).user(user).memlock(MEMLOCK).run()?;
    let ended = output.code();
    let wanted = code.map_or(ended.is_some_and(|code| (0..=7).contains(&code)), |code| ended == Some(code));
    let document = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let is_data = output.stdout.is_empty() || document(&output.stdout).is_some();
    let told = document(&output.stderr).map(|document| document["error"]["exit_code"].clone());
    let is_told = match ended {
        Some(0) => output.stderr.is_empty() && !output.stdout.is_empty(),
        _ => told == ended.map(Value::from),
    };
    check(wanted && is_data && is_told, || format!("dirql {words} as {user}: {output}"))?;
    Ok(output)
}
