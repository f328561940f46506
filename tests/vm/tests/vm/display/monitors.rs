//! Monitors that change, more than one of them, and the cursor: what a virtio-gpu alone has.

use super::pixels::{cursor, screen};
use super::rows::{GPU, INTERRUPT, PATIENCE, Row, bind, builder};
use super::screens::shows;
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("display::a_pattern_follows_the_monitor", resize),
        test("display::two_monitors_show_two_pictures", two),
        test("display::the_cursor_is_over_the_picture", pointer),
    ]
}

fn watched(name: &str) -> Result<Machine> {
    let machine = builder(name, &[GPU]);
    let machine = machine.viewer(GPU.name, 0).viewer(GPU.name, 1).trace("virtio_gpu_update_cursor").boot()?;
    bind(&machine, &[GPU])?;
    Ok(machine)
}

/// The command goes to each new size, by a message and by the line.
fn resize() -> Result<()> {
    let machine = watched("display-resize")?;
    for interrupts in ["best", "intx"] {
        let row = Row { interrupts, ..GPU };
        let running = machine.command(&row.command("pattern noise --seed 5")).user("demo").spawn()?;
        let mut viewer = machine.viewer(row.name, 0)?;
        for (width, height) in [(800, 600), (1280, 720), (648, 488)] {
            viewer.resize(width, height)?;
            let line = format!("showing noise of seed 5 at {width}x{height} on connector 0");
            running.until(PATIENCE, |output| output.error_text().contains(&line))?;
            shows(&machine, &row, &screen((width.into(), height.into()), 5))?;
            viewer.wait_for_size(width, height)?;
        }
        running.signal(INTERRUPT)?;
        running.wait(PATIENCE)?.ok()?;
    }
    no_faults(&machine)
}

/// The second monitor is there once somebody looks at it.
fn two() -> Result<()> {
    let machine = watched("display-two")?;
    let (first, second) = (screen(GPU.pixels(), 1), screen((640, 480), 2));
    let steps = [
        "connectors",
        "pause:/share/one",
        "change",
        "connectors",
        "set:0:preferred:1",
        "set:1:preferred:2",
        "pause:/share/both",
        "flip:1:3",
        "pause:/share/flipped",
        "off:0",
        "pause:/share/off",
    ];
    let probe = GPU.probe(&machine, &steps)?;
    let mut viewer = machine.viewer(GPU.name, 1)?;
    probe.at(&machine, "one", || viewer.resize(640, 480))?;
    let looks = |wanted: &_| {
        let found = machine.screen(GPU.name, 1)?;
        check(&found == wanted, || found.difference(wanted).unwrap_or_default())
    };
    probe.at(&machine, "both", || shows(&machine, &GPU, &first).and_then(|()| looks(&second)))?;
    let flipped = screen((640, 480), 3);
    probe.at(&machine, "flipped", || shows(&machine, &GPU, &first).and_then(|()| looks(&flipped)))?;
    probe.at(&machine, "off", || {
        check(shows(&machine, &GPU, &first).is_err(), || "connector 0 is still on".into())?;
        looks(&flipped)
    })?;
    let output = probe.end()?;
    let told: Vec<serde_json::Value> =
        output.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let connected = |when: usize| [0, 1].map(|number| told[when][number]["connected"] == true);
    let holds = told.len() == 2 && connected(0) == [true, false] && connected(1) == [true, true];
    check(holds, || format!("the connectors\n{output}"))?;
    no_faults(&machine)
}

/// QEMU draws the cursor for its viewers, each in its own way: they are told its shape, and the place
/// of its upper left corner is traced: as far from where it points as the hot spot is in it.
fn pointer() -> Result<()> {
    let machine = watched("display-cursor")?;
    let wanted = screen(GPU.pixels(), 1);
    let steps = [
        "set:0:preferred:1",
        "cursor:0:300,200:5,9:11",
        "pause:/share/shape",
        "move:0:1000,700",
        "pause:/share/moved",
        "cursor:0:20,30:0,63:12",
        "pause:/share/other",
        "hide:0",
        "pause:/share/hidden",
    ];
    let probe = GPU.probe(&machine, &steps)?;
    let mut viewer = machine.viewer(GPU.name, 0)?;
    let mut shape = |hot: (u16, u16), seed: u64| -> Result<()> {
        let wanted = cursor(hot, seed);
        viewer.cursor(|found| *found == wanted).map(drop)
    };
    // What QEMU was told last of the place.
    let place = |wanted: &str| {
        let log = machine.log()?;
        let last = log
            .lines()
            .rfind(|line| line.contains("virtio_gpu_update_cursor"))
            .unwrap_or_default()
            .to_owned();
        check(last.contains(wanted), || format!("the cursor's place is {last:?}, wanted {wanted:?}"))
    };
    let picture = || shows(&machine, &GPU, &wanted);
    probe.at(&machine, "shape", || {
        shape((5, 9), 11)?;
        place("scanout 0, x 295, y 191, update")?;
        picture()
    })?;
    probe.at(&machine, "moved", || {
        place("scanout 0, x 995, y 691, move")?;
        picture()
    })?;
    probe.at(&machine, "other", || {
        shape((0, 63), 12)?;
        place("scanout 0, x 20, y -33, update")?;
        picture()
    })?;
    probe.at(&machine, "hidden", || {
        place("res 0x0")?;
        picture()
    })?;
    probe.end()?;
    no_faults(&machine)
}
