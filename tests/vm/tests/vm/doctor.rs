//! A newcomer who knows nothing: what the doctor says is done, by pasting, until nothing stands in the way.

use crate::nics::{all, families, unbound};
use crate::{check, test};
use dirql_lab::{Guest, Net, Output, Result};
use libtest_mimic::Trial;
use serde_json::Value;
use std::time::Duration;

/// Conditions that may fail one after the other, before nothing does.
const ROUNDS: usize = 6;
/// The limit that an ordinary user has, unless an administrator says otherwise.
const MEMLOCK: u64 = 8 << 20;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("doctor::what_it_says_is_pasted_until_the_device_runs", paste),
        test("doctor::a_newcomer_is_led_there_and_back_by_what_is_printed", newcomer),
    ]
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

/// Knows the first command, and of the rest what is printed.
fn newcomer() -> Result<()> {
    let rows = families();
    let machine = unbound("newcomer", &rows, Net::User, true)?;
    all(&rows, |row| {
        let (address, interface) = (row.nic.address(), row.nic.interface(&machine)?);
        machine.root(&format!("ip link set {interface} up"))?.ok()?;
        let mut words = format!("dirql doctor {address}");
        let mut back = None;
        let mut typed = vec![];
        loop {
            check(typed.len() < 2 * ROUNDS, || format!("led in a circle: {typed:?}"))?;
            let output = paste_one(&machine, &words)?;
            typed.push(words.clone());
            let said = output.text() + &output.error_text();
            let find = |label: &str| {
                said.lines().find_map(|line| line.trim().strip_prefix(label).map(str::to_owned))
            };
            back = back.or_else(|| find("back: "));
            if words.starts_with("dirql run") {
                check(said.contains("link up"), || format!("{typed:?}\n{output}"))?;
                break;
            }
            // After a fix, the doctor is asked again; what is said to be next is done.
            let doctor = (!words.starts_with("dirql doctor")).then(|| format!("dirql doctor {address}"));
            words = find("next: ")
                .or_else(|| find("fix: "))
                .or(doctor)
                .ok_or_else(|| format!("{typed:?}\n{output}"))?;
        }
        let back = back.ok_or_else(|| format!("nobody said how to give it back: {typed:?}"))?;
        paste_one(&machine, &back)?.ok()?;
        check(row.nic.interface(&machine)? == interface, || format!("{interface} has not come back"))
    })
}

/// As a person pastes it: with sudo it is root's. What runs until Ctrl-C is ended when the link is up.
fn paste_one(machine: &Guest, words: &str) -> Result<Output> {
    let line = words.replace("sudo ", "").replace("$USER", "demo");
    if words.contains("sudo ") {
        return machine.shell(&line);
    }
    let command = machine.command(&line).user("demo").memlock(MEMLOCK);
    if !words.starts_with("dirql run") {
        return command.run();
    }
    let running = command.spawn()?;
    running.until(Duration::from_secs(60), |output| output.text().contains("link up"))?;
    running.signal(2)?;
    running.wait(Duration::from_secs(60))?.ok()
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
