//! Ten thousand page flips: each is seen by the device once and in its order, its fence passes, and nothing is left behind.

use super::pixels::screen;
use super::rows::{BOCHS, GPU, ROWS, Row, bind, builder, each};
use super::screens::shows;
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result, Screen};
use libtest_mimic::Trial;

const FLIPS: usize = 10_000;
/// Pixels of a flip's lines, and its lines.
const SIDE: usize = 64;
/// How much more memory the process may have after them than before, in KiB: a stack that was touched, an allocator's page.
/// 33 bytes a flip would be more.
const SLACK: u64 = 48;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("display::ten_thousand_flips_lose_no_fence", || {
        let machine = builder("display-flips", ROWS).trace("virtio_gpu_cmd_res_flush").boot()?;
        bind(&machine, ROWS)?;
        each(ROWS, |row| flips(&machine, row))?;
        no_faults(&machine)
    })]
}

fn flips(machine: &Machine, row: &Row) -> Result<()> {
    // The rows that differ in how interrupts come have them all; the others show that they work as well.
    let count = if [BOCHS.name, GPU.name].contains(&row.name) && row.interrupts == "best" {
        FLIPS
    } else {
        FLIPS / 5
    };
    let before = machine.log()?.len();
    let file = format!("{}-{}", row.name, row.interrupts);
    let (flips, pause) = (format!("flips:0:{count}"), format!("pause:/share/{file}"));
    let probe = row.probe(machine, &["set:0:preferred:1", &flips, &pause])?;
    probe.at(machine, &file, || shows(machine, row, &after(row, count)))?;
    let output = probe.end()?;
    let text = output.text();
    let line =
        text.lines().find(|line| line.starts_with('{')).ok_or_else(|| format!("no report\n{output}"))?;
    let report: serde_json::Value = serde_json::from_str(line)?;
    let sizes = |key: &str| [0, 1].map(|when| report[key][when].as_u64().unwrap_or(0));
    let ([own, own_after], [locked, locked_after]) = (sizes("anonymous_kib"), sizes("locked_kib"));
    println!("{} ({}): {report}", row.name, row.interrupts);
    let flat = own > 0 && own_after <= own + SLACK && locked == locked_after;
    check(flat && report["flips"] == count, || format!("the memory is not flat\n{output}"))?;
    check((locked > 0) == row.is_virtio(), || format!("locked: {locked} KiB"))?;
    if row.is_virtio() { flushes(&machine.log()?[before..], count) } else { Ok(()) }
}

/// What QEMU says of the flips: each comes once, of the framebuffer whose turn it is.
fn flushes(log: &str, count: usize) -> Result<()> {
    let found: Vec<&str> = log.lines().filter_map(flushed).collect();
    check(found.len() == count + 1, || {
        format!("QEMU has seen {} flushes, of {count} flips and a mode", found.len())
    })?;
    let turns = found.windows(3).all(|turn| turn[0] == turn[2] && turn[0] != turn[1]);
    check(turns, || "the framebuffers are not flipped in turns".into())
}

/// The resource in `virtio_gpu_cmd_res_flush res 0x2, w 1024, h 768, x 0, y 0`.
fn flushed(line: &str) -> Option<&str> {
    line.split_once("virtio_gpu_cmd_res_flush res ")?.1.split(',').next()
}

/// Where a flip's square is.
fn place(row: &Row, number: usize) -> [usize; 2] {
    let (width, height) = row.pixels();
    [number * 31 % (width - SIDE), number * 17 % (height - SIDE)]
}

/// What the flips leave on the screen: two framebuffers in turns, the first with noise, the second black, and in each the
/// squares that were drawn into it.
fn after(row: &Row, count: usize) -> Screen {
    let (width, height) = row.pixels();
    let mut pair = [screen((width, height), 1), Screen::filled(width, height, 0)];
    for number in 0..count {
        let to = &mut pair[(number + 1) % 2];
        let [left, top] = place(row, number);
        for y in top..top + SIDE {
            to.pixels[y * width + left..y * width + left + SIDE].fill(number as u32);
        }
    }
    pair[count % 2].clone()
}
