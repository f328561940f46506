//! What the command says of a display.

use super::life::next;
use super::pixels::screen;
use super::rows::{GPU, INTERRUPT, MEMLOCK, PATIENCE, ROWS, Row, each, machine};
use super::screens::shows;
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;
use std::time::Duration;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("display::modes_selftest_run_clear_and_bench", || {
            let machine = machine("display-command", ROWS)?;
            each(ROWS, |row| commands(&machine, row))?;
            no_faults(&machine)
        }),
        test("display::a_pattern_ends_with_ctrl_c", || {
            let machine = machine("display-end", ROWS)?;
            each(ROWS, |row| end(&machine, row))?;
            no_faults(&machine)
        }),
        test("display::the_memory_that_a_frame_needs_is_told", memory),
    ]
}

fn commands(machine: &Machine, row: &Row) -> Result<()> {
    let demo =
        |words: &str| machine.command(words).user("demo").memlock(MEMLOCK).timeout(PATIENCE).run()?.ok();
    let (width, height) = row.size;
    let output = demo(&row.command("modes --json"))?;
    let report = output.json()?;
    let (connector, address) = (&report["connectors"][0], row.address());
    let holds = report["address"] == address
        && connector["connected"] == true
        && connector["preferred"]["width"] == width
        && connector["preferred"]["height"] == height
        && connector["modes"][0] == connector["preferred"]
        && connector["monitor"]["manufacturer"] == "RHT"
        && connector["monitor"]["name"].as_str().is_some_and(|name| name.contains("QEMU"));
    check(holds, || output.to_string())?;
    let output = demo(&row.command("modes"))?;
    let line = output.text().lines().find(|line| line.contains("preferred")).unwrap_or_default().to_owned();
    check(line.trim_start().starts_with(&format!("{width}x{height} ")), || output.to_string())?;

    demo(&format!("dirql selftest {address} --json"))?.json()?;
    let output = demo(&format!("dirql run {address} --seconds 0.3"))?;
    check(output.text().contains(&format!("prefers {width}x{height}")), || output.to_string())?;

    // QEMU follows a screen only while somebody looks at it.
    next(machine, row)?;
    demo(&row.command("clear"))?;
    if !row.is_virtio() {
        let left = machine.screen(row.name, 0)?;
        check(left.pixels.iter().all(|&pixel| pixel == 0), || "what was cleared is not black".into())?;
    }
    let output = demo(&row.command("bench --seconds 1 --json"))?;
    let report = output.json()?;
    let damages = report["damages"].as_array().cloned().unwrap_or_default();
    let measured = damages.len() == 2
        && damages.iter().all(|damage| {
            damage["rate"].as_f64() > Some(0.0)
                && damage["fence_ns"]["p99"].as_u64() >= damage["fence_ns"]["p50"].as_u64()
                && damage["fence_ns"]["p50"].as_u64() > Some(0)
        });
    let interrupts = report["interrupts"].as_u64() > Some(0);
    check(measured && interrupts == row.is_virtio(), || output.to_string())?;
    for damage in &damages {
        let (width, rate) = (&damage["damage"]["width"], damage["rate"].as_f64().unwrap_or(0.0));
        let fence = &damage["fence_ns"]["p50"];
        println!("{} ({}), {width} wide: {rate:.0} flips/s, fence {fence} ns", row.name, row.interrupts);
    }
    Ok(())
}

/// Ctrl-C is no failure, in any of the forms in which the end comes; and an interrupted picture leaves nothing.
fn end(machine: &Machine, row: &Row) -> Result<()> {
    let running = machine.command(&row.command("pattern noise --seed 9 --json")).user("demo").spawn()?;
    let wanted = screen(row.pixels(), 9);
    let deadline = std::time::Instant::now() + PATIENCE;
    while machine.screen(row.name, 0)? != wanted {
        check(std::time::Instant::now() < deadline, || "the pattern does not come".into())?;
        std::thread::sleep(Duration::from_millis(50));
    }
    running.signal(INTERRUPT)?;
    let output = running.wait(PATIENCE)?.ok()?;
    let report = output.json()?;
    let modes: Vec<_> =
        report["vectors"].as_array().into_iter().flatten().map(|vector| &vector["mode"]).collect();
    let holds = report["picture"] == "noise of seed 9"
        && report["pictures"] == 1
        && modes.iter().all(|mode| Some(mode.as_str().unwrap_or_default()) == row.mode)
        && modes.is_empty() != row.is_virtio();
    check(holds && output.stderr.is_empty(), || output.to_string())?;
    let output = machine.user("demo", &row.command("pattern grid --seconds 0.5"))?.ok()?;
    output.says(&[&format!("showing grid at {}x{} on connector 0", row.size.0, row.size.1)])?;
    check(shows(machine, row, &wanted).is_err(), || "the pattern is still there".into())
}

/// The stock limit has room for a frame, and who has less is told how much it takes.
fn memory() -> Result<()> {
    let machine = machine("display-memory", &[GPU])?;
    let words = GPU.command("pattern noise --seconds 0.5");
    machine.user("demo", &words)?.ok()?;
    let output = machine.command(&words).user("demo").memlock(2 << 20).run()?;
    output.exits(3)?.says(&["RLIMIT_MEMLOCK", "2048 KiB", "LimitMEMLOCK=", "dirql explain E9"])?;
    no_faults(&machine)
}
