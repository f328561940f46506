//! A newcomer who knows nothing: what the doctor says is done, by pasting, until nothing stands in the way.

use crate::nics::{all, families, unbound};
use crate::{check, test};
use dirql_lab::{Guest, Net, Result};
use libtest_mimic::Trial;
use serde_json::Value;

/// Conditions that may fail one after the other, before nothing does.
const ROUNDS: usize = 6;
/// The limit that an ordinary user has, unless an administrator says otherwise.
const MEMLOCK: u64 = 8 << 20;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("doctor::what_it_says_is_pasted_until_the_device_runs", paste)]
}

fn paste() -> Result<()> {
    let rows = families();
    let machine = unbound("doctor", &rows, Net::User, true)?;
    all(&rows, |row| {
        let (address, interface) = (row.nic.address(), row.nic.interface(&machine)?);
        machine.root(&format!("ip link set {interface} up"))?.ok()?;
        let pasted = until_sound(&machine, &address)?;
        let is = |words: &str| pasted.iter().any(|fix| fix.contains(words));
        check(is(&format!("sudo ip link set {interface} down")) && is("sudo dirql bind"), || {
            format!("not what was in the way: {pasted:?}")
        })?;
        machine.command(&row.net("ping 10.0.2.2 --count 2")).user("demo").memlock(MEMLOCK).run()?.ok()?;
        machine.root(&format!("dirql restore {address}"))?.ok()?;
        row.nic.interface(&machine).map(drop)
    })
}

/// Does what the doctor says until it says nothing more, and gives what was done.
fn until_sound(machine: &Guest, address: &str) -> Result<Vec<String>> {
    let mut pasted = vec![];
    for _ in 0..ROUNDS {
        let doctor = format!("dirql doctor {address} --json");
        let output = machine.command(&doctor).user("demo").memlock(MEMLOCK).run()?;
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let conditions = document["conditions"].as_array().ok_or("no conditions")?;
        let Some(failed) = conditions.iter().find(|condition| condition["verdict"] == "fail") else {
            output.exits(0)?;
            return Ok(pasted);
        };
        let fix = failed["fix"].as_str().ok_or_else(|| format!("nothing to paste: {failed}"))?.to_owned();
        output.exits(3)?;
        check(!pasted.contains(&fix), || format!("{fix} did not help: {failed}"))?;
        // The guest has no sudo: its words are root's.
        let words = fix.replace("sudo ", "").replace("$USER", "demo");
        machine.shell(&words)?.ok()?;
        pasted.push(fix);
    }
    Err(format!("after {pasted:?} there is still something in the way").into())
}
