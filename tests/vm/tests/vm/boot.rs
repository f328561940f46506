//! The lab itself, without dirql: if these fail, look here before you look at a driver.

use crate::display::pixels;
use crate::{check, test};
use dirql_lab::pcap::{self, Counter, Echoes};
use dirql_lab::{Iommu, Machine, Net, Result};
use libtest_mimic::Trial;
use std::time::{Duration, Instant};

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("boot::commands_run_as_root_and_as_a_user", commands),
        test("boot::each_device_has_its_iommu_group", groups),
        test("boot::without_iommu_there_are_no_groups", no_iommu),
        test("boot::the_kernels_driver_pings_and_the_pcap_holds_it", kernel_ping),
        test("boot::frames_from_the_wire_reach_the_guest", wire),
        test("boot::what_the_kernel_draws_is_seen_from_outside", screen),
        test("boot::a_machine_that_cannot_boot_says_why", broken),
    ]
}

fn commands() -> Result<()> {
    let machine = Machine::builder("boot-commands").boot()?;
    let output = machine.root("id -u")?.ok()?;
    check(output.text() == "0\n", || format!("root is somebody else\n{output}"))?;
    let output = machine.user("demo", "cat /proc/self/status")?.ok()?.text();
    for line in ["Uid:\t1000\t1000\t1000\t1000", "Gid:\t1000\t1000\t1000\t1000", "CapEff:\t0000000000000000"]
    {
        check(output.contains(line), || format!("no {line:?} in\n{output}"))?;
    }
    // The stock limit for everybody, another one on demand.
    let limit =
        |output: String| output.lines().find(|line| line.starts_with("Max locked memory")).map(str::to_owned);
    let stock = limit(machine.user("demo", "cat /proc/self/limits")?.ok()?.text()).unwrap_or_default();
    check(stock.contains(" 8388608 "), || format!("RLIMIT_MEMLOCK is not 8 MiB: {stock}"))?;
    let small = machine.command("cat /proc/self/limits").user("demo").memlock(65536).run()?.ok()?.text();
    check(limit(small).unwrap_or_default().contains(" 65536 "), || "RLIMIT_MEMLOCK is not settable".into())?;

    machine.root("sh -c exit")?.ok()?;
    machine.shell("exit 7")?.exits(7)?;
    let output =
        machine.argv(["sh", "-c", "printf 'a\\000\\377'; cat >&2"]).stdin("to stderr").run()?.ok()?;
    check(output.stdout == b"a\0\xff" && output.stderr == b"to stderr", || format!("{output}"))?;
    machine.user("demo", "cat /dev/port")?.exits(1)?.says(&["Permission denied"])?;
    check(machine.root("no-such-program").is_err(), || "a program that is not there ran".into())?;

    let running = machine.argv(["sh", "-c", "echo ready; exec sleep 1000"]).user("demo").spawn()?;
    running.until(Duration::from_secs(20), |output| output.text() == "ready\n")?;
    running.signal(9)?;
    let output = running.wait(Duration::from_secs(20))?;
    check(output.code().is_none(), || format!("kill -9 did not end it\n{output}"))?;
    let late = machine.command("sleep 1000").timeout(Duration::from_millis(300)).run();
    check(late.is_err_and(|error| error.to_string().contains("not ended")), || {
        "a deadline did not hold".into()
    })?;

    machine.shell("echo from the guest > /share/word")?.ok()?;
    let word = std::fs::read_to_string(machine.share().join("word"))?;
    check(word == "from the guest\n", || format!("/share has {word:?}"))
}

fn groups() -> Result<()> {
    let machine = Machine::builder("boot-groups")
        .device("edu,addr=04.0")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .boot()?;
    let group = |device: &str| -> Result<String> {
        Ok(machine
            .root(&format!("readlink -f /sys/bus/pci/devices/0000:00:{device}/iommu_group"))?
            .ok()?
            .text())
    };
    let (lan, edu) = (group("03.0")?, group("04.0")?);
    check(lan.contains("/iommu_groups/") && lan != edu, || format!("groups: {lan} and {edu}"))?;
    let faults = machine.dmar_faults()?;
    check(faults.is_empty(), || format!("IOMMU faults: {faults:#?}"))
}

fn no_iommu() -> Result<()> {
    let machine = Machine::builder("boot-no-iommu").iommu(Iommu::Off).device("edu,addr=04.0").boot()?;
    machine.root("test -e /sys/bus/pci/devices/0000:00:04.0")?.ok()?;
    machine.root("test -e /sys/bus/pci/devices/0000:00:04.0/iommu_group")?.exits(1).map(drop)
}

fn kernel_ping() -> Result<()> {
    let machine =
        Machine::builder("boot-ping").nic("lan", "e1000,addr=03.0", Net::User).module("e1000").boot()?;
    machine.root("ip link set eth0 up")?.ok()?;
    machine.root("udhcpc -i eth0 -n -q -s /etc/udhcpc.script")?.ok()?;
    machine.root("ping -c 3 -W 5 10.0.2.2")?.ok()?;
    let echoes = Echoes::of(&pcap::read(&machine.pcap("lan"))?);
    check(echoes.requests.len() == 3 && echoes.answered() == 3, || format!("outside: {echoes:?}"))?;

    // The cable out, and in again: the kernel sees it.
    for (up, carrier) in [(false, "0\n"), (true, "1\n")] {
        machine.qmp().set_link("lan", up)?;
        let line = format!(
            "until [ \"$(cat /sys/class/net/eth0/carrier)\" = {} ]; do sleep 0.1; done",
            carrier.trim()
        );
        machine.shell(&line)?.ok()?;
    }
    Ok(())
}

fn wire() -> Result<()> {
    let machine =
        Machine::builder("boot-wire").nic("lan", "e1000,addr=03.0", Net::Wire).module("e1000").boot()?;
    machine.root("ip link set eth0 up")?.ok()?;
    machine.shell("until grep -q 1 /sys/class/net/eth0/carrier; do sleep 0.1; done")?.ok()?;
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame.resize(100, 0x5a);
    let mut taken = Counter::new(&machine.pcap("lan"))?;
    machine.wire("lan")?.inject(&vec![frame.clone(); 100], &mut taken, Duration::from_secs(30))?;
    machine
        .shell("until [ $(cat /sys/class/net/eth0/statistics/rx_packets) -ge 100 ]; do sleep 0.1; done")?
        .ok()?;
    let frames = pcap::read(&machine.pcap("lan"))?;
    check(frames.iter().filter(|each| **each == frame).count() == 100, || "the pcap misses frames".into())
}

/// The kernel's own drivers draw noise, and follow a monitor that is resized.
fn screen() -> Result<()> {
    let machine = Machine::builder("boot-screen")
        .device("bochs-display,id=bochs,addr=03.0,xres=640,yres=480")
        .device("virtio-gpu-pci,id=gpu,addr=05.0,disable-legacy=on,iommu_platform=on,xres=800,yres=600")
        .viewer("gpu", 0)
        .module("bochs")
        .module("virtio_gpu")
        .boot()?;
    // Else its console blinks there.
    machine.shell("for each in /sys/class/vtconsole/vtcon*/bind; do echo 0 > $each; done")?;
    for (buffer, name, size, seed) in [("fb0", "bochs", (640, 480), 1), ("fb1", "gpu", (800, 600), 2)] {
        let wanted = pixels::screen(size, seed);
        let bytes: Vec<u8> = wanted.pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
        std::fs::write(machine.share().join("noise"), bytes)?;
        machine
            .shell(&format!("echo 0 > /sys/class/graphics/{buffer}/blank; cat /share/noise > /dev/{buffer}"))?
            .ok()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        // The kernel tells the device of what was drawn a little later.
        while let Some(difference) = machine.screen(name, 0)?.difference(&wanted) {
            check(Instant::now() < deadline, || format!("{name}: {difference}"))?;
        }
    }
    machine.viewer("gpu", 0)?.resize(1024, 768)?;
    let modes = "cat /sys/class/drm/*-Virtual-*/modes";
    machine.shell(&format!("until {modes} | grep -q 1024x768; do sleep 0.1; done")).map(drop)
}

fn broken() -> Result<()> {
    let error = Machine::builder("boot-broken").device("no-such-device").boot().err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    check(text.contains("no-such-device"), || format!("QEMU's word is missing: {text}"))
}
