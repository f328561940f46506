//! What root's commands hold while they run: the device, and no other right.

use crate::nics::{all, bind, families, unbound};
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Guest, Net, Result, Running};
use libtest_mimic::Trial;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("confine::who_has_opened_a_device_holds_no_capability_and_writes_nowhere", confined)]
}

/// A field of every thread's status.
fn threads(guest: &Guest, running: &Running, field: &str) -> Result<Vec<String>> {
    let line = format!("grep -h ^{field}: /proc/{}/task/*/status", running.pid());
    let text = guest.shell(&line)?.ok()?.text();
    Ok(text.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect())
}

fn confined() -> Result<()> {
    let rows = families();
    let machine = unbound("confine", &rows, Net::User, false)?;
    // Another user's node: root opens it by a right that goes then.
    bind(&machine, &rows)?;
    all(&rows, |row| {
        let address = row.nic.address();
        let bar = if row.nic.kernel == "virtio-pci" { 4 } else { 0 };
        for (words, at_work) in [
            (format!("dirql -v run {address}"), "link up"),
            (row.net("pcap /share/out.pcap -v"), "receiving on"),
            (row.net("ping 10.0.2.2 --count 60000 -v"), "seq=2 "),
            (format!("dirql -v regs {address} {bar} --watch"), "000000: "),
        ] {
            let running = machine.command(&words).memlock(64 << 10).spawn()?;
            let output =
                running.until(PATIENCE, |output| (output.text() + &output.error_text()).contains(at_work))?;
            output.clone().says(&["files are only read from here on", "Landlock: "])?;
            // The thread that the program began with, which has the output and all data in hand.
            let first = format!("/proc/{}/status", running.pid());
            let status = machine.root(&format!("cat {first}"))?.ok()?.text();
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                let line = status.lines().find(|line| line.starts_with(set)).unwrap_or_default();
                check(line.ends_with("0000000000000000"), || format!("{words}: {line}"))?;
            }
            let news = threads(&machine, &running, "NoNewPrivs")?;
            check(!news.is_empty() && news.iter().all(|new| new == "1"), || format!("{words}: {news:?}"))?;
            // Those that wait for the device may have what its output took, CAP_DAC_OVERRIDE, and nothing else.
            let allowed = if words.contains("/share/out.pcap") { 1 << 1 } else { 0 };
            for held in threads(&machine, &running, "CapPrm")? {
                let held = u64::from_str_radix(&held, 16)?;
                check(held & !allowed == 0, || format!("{words}: a thread holds {held:#x}"))?;
            }
            running.signal(2)?;
            let output = running.wait(PATIENCE)?;
            check(matches!(output.code(), Some(0)), || format!("{output}"))?;
        }
        machine.shell("test -s /share/out.pcap")?.ok()?;
        // Where it cannot be written is told as ever, and where it can be is another user's directory.
        machine.root(&row.net("pcap /nonexistent/x.pcap --seconds 1"))?.exits(6)?;
        machine.root(&row.net("pcap /home/demo/x.pcap --seconds 1"))?.ok().map(drop)
    })?;
    no_faults(&machine)
}
