//! Displays whose program dies, that are pulled out, and that the kernel has back.

use super::pixels::screen;
use super::rows::{BOCHS, GPU, INTERRUPT, KILL, MEMLOCK, PATIENCE, ROWS, Row, builder, each, machine};
use super::screens::shows;
use crate::frames::Random;
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Guest, Machine, Result};
use libtest_mimic::Trial;
use qapi::qmp;
use std::thread;
use std::time::{Duration, Instant};

/// Where the display is that can be unplugged.
const PLUGGED: &str = "0000:01:00.0";

/// The exit code where something is in use.
const BUSY: i32 = 5;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("display::killed_twenty_times_in_the_middle_of_flips", kill),
        test("display::unplugged_and_unbound_in_the_middle_of_flips", unplug),
        test("display::reset_in_the_middle_of_flips", reset),
        test("display::the_kernels_driver_has_it_back", back),
        test("display::the_boot_display_is_left_to_the_kernel_unless_forced", boot_display),
    ]
}

/// Starts flipping, and gives the program once it does.
fn flipping(machine: &Machine, address: &str, interrupts: &str) -> Result<dirql_lab::Running> {
    let words = format!("dirql display {address} bench --seconds 600{interrupts}");
    let running = machine.command(&words).user("demo").memlock(MEMLOCK).spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("flipping "))?;
    Ok(running)
}

fn kill() -> Result<()> {
    let machine = machine("display-kill", ROWS)?;
    let mut random = Random(31);
    for round in 0..20 {
        let row = &ROWS[round % ROWS.len()];
        let mut killed = || -> Result<()> {
            let interrupts = if row.interrupts == "intx" { " --interrupts intx" } else { "" };
            let running = flipping(&machine, &row.address(), interrupts)?;
            thread::sleep(Duration::from_millis(random.within(0, 300) as u64));
            running.signal(KILL)?;
            let end = running.wait(PATIENCE)?;
            check(end.code().is_none(), || format!("it ended before it was killed\n{end}"))?;
            no_faults(&machine)
        };
        killed().map_err(|error| format!("round {round}, {}: {error}", row.name))?;
    }
    // Whatever was left behind: each shows the next picture.
    each(ROWS, |row| next(&machine, row))?;
    no_faults(&machine)
}

/// Shows a pattern until it is seen.
pub fn next(machine: &Machine, row: &Row) -> Result<()> {
    let running = machine.command(&row.command("pattern noise --seed 77")).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("showing "))?;
    shows(machine, row, &screen(row.pixels(), 77))?;
    running.signal(INTERRUPT)?;
    running.wait(PATIENCE)?.ok().map(drop)
}

/// The host takes the device away, by its own unbind and, from a slot that allows it, by unplugging.
fn unplug() -> Result<()> {
    let machine = builder("display-unplug", &[GPU])
        .device("pcie-root-port,id=root1,addr=02.0,chassis=1,slot=1")
        .device("bochs-display,bus=root1,id=plugged")
        .boot()?;
    let gpu = GPU.address();
    machine.root(&format!("dirql bind {PLUGGED} {gpu} --owner demo"))?.ok()?;
    for address in [PLUGGED, &gpu] {
        let running = flipping(&machine, address, "")?;
        machine.shell(&format!("echo {address} > /sys/bus/pci/drivers/vfio-pci/unbind"))?.ok()?;
        let output = running.wait(PATIENCE)?.exits(7)?.says(&["the host wants the device back", "E13"])?;
        check(!output.error_text().contains("ERROR"), || format!("the log complains\n{output}"))?;
        machine.root(&format!("dirql bind {address} --owner demo"))?.ok()?;
    }
    let running = flipping(&machine, PLUGGED, "")?;
    machine.qmp().execute(&qmp::device_del { id: "plugged".to_owned() })?;
    running.wait(PATIENCE)?.exits(7)?.says(&["the host wants the device back", "E13"])?;
    let started = Instant::now();
    while machine.shell(&format!("[ -e /sys/bus/pci/devices/{PLUGGED} ]"))?.code() == Some(0) {
        check(started.elapsed() < PATIENCE, || "the kernel still has it".into())?;
        thread::sleep(Duration::from_millis(100));
    }
    no_faults(&machine)
}

/// Root resets the function behind the program's back: it says so and ends, and the next one finds the device as ever.
fn reset() -> Result<()> {
    let machine = Machine::builder("display-reset")
        .device("pcie-root-port,id=root1,addr=02.0,chassis=1,slot=1")
        .device("virtio-gpu-pci,bus=root1,id=gpu,disable-legacy=on,iommu_platform=on,xres=1024,yres=768")
        .boot()?;
    machine.root(&format!("dirql bind {PLUGGED} --owner demo"))?.ok()?;
    let running = flipping(&machine, PLUGGED, "")?;
    machine.shell(&format!("echo 1 > /sys/bus/pci/devices/{PLUGGED}/reset"))?.ok()?;
    running.wait(PATIENCE)?.exits(7)?.says(&[PLUGGED, "why: "])?;
    let words = format!("dirql display {PLUGGED} pattern noise --seed 77");
    let running = machine.command(&words).user("demo").spawn()?;
    running.until(PATIENCE, |output| output.error_text().contains("showing "))?;
    let (found, wanted) = (machine.screen("gpu", 0)?, screen((1024, 768), 77));
    check(found == wanted, || found.difference(&wanted).unwrap_or_default())?;
    running.signal(INTERRUPT)?;
    running.wait(PATIENCE)?.ok()?;
    no_faults(&machine)
}

/// The kernel's drivers had the devices at boot; they have them again after a program used them.
fn back() -> Result<()> {
    let rows = [BOCHS, GPU];
    let machine = builder("display-back", &rows).module(BOCHS.module).module(GPU.module).boot()?;
    let had = rows.iter().map(|row| cards(&machine, row)).collect::<Result<Vec<_>>>()?;
    check(had.iter().all(|cards| cards.len() == 1), || format!("the kernel's cards at first: {had:?}"))?;
    let mut consoles = 0;
    for row in &rows {
        let bind = format!("dirql bind {} --owner demo", row.address());
        let mut bound = machine.root(&bind)?;
        if bound.code() == Some(BUSY) {
            bound.says(&["the kernel's console is on it"])?;
            consoles += 1;
            bound = machine.root(&format!("{bind} --force"))?;
        }
        bound.ok()?;
        check(cards(&machine, row)?.is_empty(), || format!("{} still has a card", row.name))?;
    }
    check(consoles > 0, || "no display was refused for the console on it".into())?;
    each(&rows, |row| next(&machine, row))?;
    machine.root("dirql restore --all")?.ok()?;
    each(&rows, |row| {
        let driver = format!("basename $(readlink /sys/bus/pci/devices/{}/driver)", row.address());
        let driver = machine.shell(&driver)?.ok()?.text();
        check(driver.trim() == row.kernel, || format!("it has driver {driver}"))?;
        let cards = cards(&machine, row)?;
        check(cards.len() == 1, || format!("its cards are {cards:?}"))?;
        machine.root(&format!("test -c /dev/dri/{}", cards[0]))?.ok()?;
        // The kernel draws its console there: the picture before it has gone.
        check(shows(&machine, row, &screen(row.pixels(), 77)).is_err(), || {
            "the pattern is still there".into()
        })
    })?;
    let log = machine.kernel_log()?;
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["WARNING", "BUG:", "*ERROR*", "Oops", "Call Trace"].iter().any(|word| line.contains(word))
        })
        .collect();
    check(complaints.is_empty(), || format!("the kernel complains: {complaints:#?}"))?;
    no_faults(&machine)
}

/// The standard VGA as the one that the firmware drew on.
fn boot_display() -> Result<()> {
    let row = Row { name: "vga", device: "VGA", ..BOCHS };
    let machine = builder("display-boot", std::slice::from_ref(&row)).boot()?;
    let words = format!("dirql bind {} --owner demo", row.address());
    machine.root(&words)?.exits(5)?.says(&["it is the boot display", "--force"])?;
    machine.root(&format!("{words} --force"))?.ok()?;
    next(&machine, &row)?;
    no_faults(&machine)
}

/// The kernel's mode-setting devices of a display.
fn cards(guest: &Guest, row: &Row) -> Result<Vec<String>> {
    // A virtio device stands between a function and its card.
    let list = format!(
        "ls -d /sys/bus/pci/devices/{0}/drm/card* /sys/bus/pci/devices/{0}/virtio*/drm/card*",
        row.address()
    );
    let output = guest.shell(&format!("{list} 2>/dev/null"))?;
    Ok(output.text().lines().filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
}
