//! A driver that dies without a word, again and again, in the middle of traffic.

use crate::frames::{Random, frames};
use crate::traffic::no_faults;
use crate::{NIC, bound, check, test};
use dirql_lab::pcap::{self, Counter};
use dirql_lab::{Machine, Net, Output, Result, Running, Wire};
use libtest_mimic::Trial;
use std::thread;
use std::time::{Duration, Instant};

/// How soon after its start a driver moves frames, whatever the one before left behind.
const SOON: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
const KILL: i32 = 9;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("kill::twenty_times_in_the_middle_of_traffic", twenty)]
}

fn twenty() -> Result<()> {
    let machine = bound("kill", Net::Wire)?;
    let mut random = Random(20);
    pcap::write(&machine.share().join("out.pcap"), &frames(20, 200_000, 60, 300))?;
    let incoming = frames(21, 50_000, 60, 300);
    for round in 0..20 {
        let moment = random.within(1, 20_000);
        let killed = if round % 2 == 0 {
            while_sending(&machine, random.within(1, 255), moment)
        } else {
            while_receiving(&machine, &incoming, moment / 10)
        };
        let end = killed.map_err(|error| format!("round {round}: {error}"))?;
        check(end.code().is_none(), || format!("round {round}: it ended before it was killed\n{end}"))?;
        no_faults(&machine).map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}

/// Kills a driver that has sent some frames more than `moment`.
fn while_sending(machine: &Machine, batch: usize, moment: usize) -> Result<Output> {
    let mut cable = Counter::new(&machine.pcap("lan"))?;
    let before = cable.count()?;
    let running = machine
        .command(&format!("dirql net {NIC} send /share/out.pcap --batch {batch}"))
        .user("demo")
        .spawn()?;
    // What nobody took in the round before comes first.
    let before = before + Wire::AHEAD;
    let flows = cable.wait(before + 1, SOON).and_then(|()| cable.wait(before + moment, PATIENCE));
    end(running, flows)
}

/// Kills a driver that has received some frames more than `moment`.
fn while_receiving(machine: &Machine, incoming: &[Vec<u8>], moment: usize) -> Result<Output> {
    let file = machine.share().join("in.pcap");
    let started = Instant::now();
    let running = machine.command(&format!("dirql net {NIC} pcap /share/in.pcap")).user("demo").spawn()?;
    let ready = running.until(SOON, |output| output.error_text().contains("receiving on"));
    let flows = ready.and_then(|_| {
        let (mut taken, mut seen) = (Counter::new(&file)?, Counter::new(&file)?);
        let wire = machine.wire("lan")?;
        thread::scope(|scope| {
            // It ends when nobody takes frames any more: that is the kill.
            scope.spawn(move || wire.inject(incoming, &mut taken, SOON));
            let soon = seen.wait(1, SOON.saturating_sub(started.elapsed()));
            let flows = soon.and_then(|()| seen.wait(moment, PATIENCE));
            running.signal(KILL)?;
            flows
        })
    });
    end(running, flows)
}

fn end(running: Running, flows: Result<()>) -> Result<Output> {
    // It may be killed already.
    let _ = running.signal(KILL);
    let end = running.wait(PATIENCE)?;
    flows.map_err(|error| format!("{error}\n{end}"))?;
    Ok(end)
}
