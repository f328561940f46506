//! A driver that dies without a word, again and again, in the middle of traffic.

use crate::frames::{Random, frames};
use crate::traffic::no_faults;
use crate::{NIC, bound, check, test};
use dirql_lab::pcap::{self, Counter};
use dirql_lab::{Net, Output, Result};
use libtest_mimic::Trial;
use std::thread;
use std::time::Duration;

/// How soon after its start a driver moves frames, whatever the one before left behind.
const SOON: Duration = Duration::from_secs(2);
/// So many frames on the cable are traffic: more than what the ring and the buffers under way hold without a driver.
const TRAFFIC: usize = 300;
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
    let mut cable = Counter::new(&machine.pcap("lan"))?;
    for round in 0..20 {
        let batch = random.within(1, 255);
        let (words, moment) = match round % 2 {
            0 => (format!("dirql net {NIC} send /share/out.pcap --batch {batch}"), random.within(0, 20_000)),
            _ => (format!("dirql net {NIC} pcap /share/in.pcap --seconds 60"), random.within(0, 3_000)),
        };
        let end = thread::scope(|scope| -> Result<Output> {
            let running = machine.command(&words).user("demo").spawn()?;
            let before = cable.count()?;
            if round % 2 == 1 {
                let wire = machine.wire("lan")?;
                // It ends when nobody takes frames any more: that is the kill.
                scope.spawn(|| wire.inject(&incoming, SOON));
            }
            let flows = cable
                .wait(before + TRAFFIC, SOON)
                .and_then(|()| cable.wait(before + TRAFFIC + moment, Duration::from_secs(60)));
            running.signal(KILL)?;
            let end = running.wait(Duration::from_secs(20))?;
            flows.map_err(|error| format!("round {round}: {error}\n{end}"))?;
            Ok(end)
        })?;
        check(end.code().is_none(), || format!("round {round}: it ended before it was killed\n{end}"))?;
        no_faults(&machine).map_err(|error| format!("round {round}: {error}"))?;
    }
    Ok(())
}
