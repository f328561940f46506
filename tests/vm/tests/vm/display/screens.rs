//! Pixels: of whole frames, of damaged parts, of images.

use super::pixels::{screen, with_part, write_png};
use super::rows::{BOCHS, GPU, INTERRUPT, PATIENCE, ROWS, Row, each, machine};
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result, Screen};
use libtest_mimic::Trial;
use std::fs;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("display::a_frame_and_its_damaged_parts_are_on_the_screen", || {
            let machine = machine("display-frames", ROWS)?;
            each(ROWS, |row| frames(&machine, row))?;
            no_faults(&machine)
        }),
        test("display::an_image_is_shown_pixel_for_pixel", || {
            let rows = [BOCHS, GPU];
            let machine = machine("display-images", &rows)?;
            each(&rows, |row| images(&machine, row))?;
            no_faults(&machine)
        }),
    ]
}

/// Fails unless this is on the row's screen.
pub fn shows(machine: &Machine, row: &Row, wanted: &Screen) -> Result<()> {
    let found = machine.screen(row.name, 0)?;
    check(&found == wanted, || found.difference(wanted).unwrap_or_default())
}

/// Parts in the middle, of one pixel, at the edges and beyond them.
const PARTS: [[usize; 4]; 5] =
    [[100, 50, 200, 120], [0, 0, 1, 1], [333, 0, 7, 9999], [0, 399, 9999, 1], [600, 380, 500, 500]];

fn frames(machine: &Machine, row: &Row) -> Result<()> {
    let name = |what: &str| format!("{}-{}-{what}", row.name, row.interrupts);
    let mut steps = vec!["set:0:preferred:1".to_owned(), format!("pause:/share/{}", name("first"))];
    steps.extend(["flip:0:2".to_owned(), format!("pause:/share/{}", name("second"))]);
    for ([x, y, width, height], seed) in PARTS.into_iter().zip(3..) {
        steps.push(format!("damage:0:{x},{y},{width}x{height}:{seed}"));
        steps.push(format!("pause:/share/{}", name(&seed.to_string())));
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let probe = row.probe(machine, &steps)?;
    probe.at(machine, &name("first"), || shows(machine, row, &screen(row.pixels(), 1)))?;
    let mut wanted = screen(row.pixels(), 2);
    probe.at(machine, &name("second"), || shows(machine, row, &wanted))?;
    // All of it was drawn into, and the device was told of a part.
    for (part, seed) in PARTS.into_iter().zip(3..) {
        wanted = with_part(wanted, part, &screen(row.pixels(), seed));
        probe.at(machine, &name(&seed.to_string()), || shows(machine, row, &wanted))?;
    }
    probe.end()?;
    let left = machine.screen(row.name, 0)?;
    let same =
        left.width == wanted.width && left.pixels.iter().zip(&wanted.pixels).any(|(a, b)| a == b && *a != 0);
    check(!same, || "what it showed is still there".into())
}

fn images(machine: &Machine, row: &Row) -> Result<()> {
    let (width, height) = row.pixels();
    let (small_width, small_height) = (width / 3, height / 2 + 1);
    let small = screen((small_width, small_height), 8);
    let mut centred = Screen::filled(width, height, 0);
    let (left, top) = ((width - small_width) / 2, (height - small_height) / 2);
    for (y, line) in small.pixels.chunks(small_width).enumerate() {
        let start = (top + y) * width + left;
        centred.pixels[start..start + small_width].copy_from_slice(line);
    }
    let full = screen((width, height), 7);
    for (image, wanted) in [(&full, &full), (&small, &centred)] {
        write_png(&machine.share().join("image.png"), image)?;
        let running = machine.command(&row.command("show /share/image.png")).user("demo").spawn()?;
        running.until(PATIENCE, |output| output.error_text().contains("showing "))?;
        shows(machine, row, wanted)?;
        running.signal(INTERRUPT)?;
        running.wait(PATIENCE)?.ok()?;
    }
    // One that is too large is refused, with both sizes; and so is one that is none.
    write_png(&machine.share().join("image.png"), &screen((width + 1, height), 7))?;
    let refused =
        machine.user("demo", &row.command(&format!("show /share/image.png --mode {width}x{height}")))?;
    refused.exits(2)?.says(&[
        &format!("{}x{height}", width + 1),
        &format!("{width}x{height}"),
        "/share/image.png",
    ])?;
    fs::write(machine.share().join("image.png"), "no image")?;
    machine
        .user("demo", &row.command("show /share/image.png"))?
        .exits(2)?
        .says(&["/share/image.png", "why: "])?;
    Ok(())
}
