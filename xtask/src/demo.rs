//! The main job, end to end, to be watched: a NIC and a GPU taken from the kernel, driven from userspace, and given back.

mod picture;

use dirql_lab::pcap::{self, Echoes};
use dirql_lab::{Machine, Net, Result, progress};
use std::io::{self, Write};
use std::time::Duration;

const NIC: &str = "0000:00:03.0";
const EDU: &str = "0000:00:04.0";
const GPU: &str = "0000:00:05.0";
/// What QEMU calls the GPU, and the size that its monitor prefers.
const SCREEN: (&str, usize, usize) = ("gpu", 896, 504);
const PINGS: usize = 20;

/// Runs the demo; fails unless the observers outside agree with what the driver says.
pub fn run() -> Result<()> {
    dirql_lab::prepare()?;
    let artifacts = dirql_lab::programs::build()?.target.join("demo");
    let (screen, width, height) = SCREEN;
    let gpu = format!("virtio-gpu-pci,id={screen},addr=05.0,xres={width},yres={height}");
    let machine = progress::step("booting a virtual machine with an e1000, an edu and a virtio-gpu", || {
        Machine::builder("demo")
            .nic("lan", "e1000,addr=03.0", Net::User)
            .device("edu,addr=04.0")
            .device(&format!("{gpu},disable-legacy=on,iommu_platform=on"))
            .module("e1000")
            .module("virtio_gpu")
            .artifacts(&artifacts)
            .boot()
    })?;
    let show = |user: &str, words: &str| show(&machine, user, words);

    title("The devices are the kernel's. Root gives them away, once")?;
    show("root", "dirql list")?;
    show("root", &format!("dirql bind {NIC} {EDU} --owner demo"))?;
    // It has the kernel's console, which a bind without force does not take away.
    show("root", &format!("dirql bind {GPU} --owner demo --force"))?;

    title("Everything from here on is an ordinary user without a capability")?;
    show("demo", "id")?;
    show("demo", &format!("dirql info {NIC}"))?;
    show("demo", &format!("dirql selftest {EDU}"))?;
    show("demo", &format!("dirql selftest {NIC}"))?;

    title("An e1000 driver in userspace: DHCP, then twenty pings, by interrupts")?;
    show("demo", &format!("dirql net {NIC} ping 10.0.2.2 --count {PINGS} --interval 200"))?;
    let by_dirql = Echoes::of(&pcap::read(&machine.pcap("lan"))?);

    title("A GPU driver in userspace: its display shows a picture, by fences and interrupts")?;
    show("demo", &format!("dirql run {GPU} --seconds 1"))?;
    let picture = picture::shown(&machine, GPU, SCREEN, &artifacts)?;

    title("The devices go back, and the kernel's driver works as before")?;
    show("root", "dirql restore --all")?;
    show("root", "udhcpc -i eth0 -n -q -s /etc/udhcpc.script")?;
    show("root", "ping -c 3 -W 5 10.0.2.2")?;
    let all = Echoes::of(&pcap::read(&machine.pcap("lan"))?);

    title("What an observer outside has seen")?;
    println!("the cable's pcap: {}", machine.pcap("lan").display());
    println!("the GPU's screen, pixel for pixel what the pattern is: {}", picture.display());
    println!(
        "echo requests {}, replies {}, pairs {} of dirql's {PINGS}; {} pairs of the kernel's 3",
        by_dirql.requests.len(),
        by_dirql.replies.len(),
        by_dirql.answered(),
        all.answered() - by_dirql.answered()
    );
    let faults = machine.dmar_faults()?;
    println!("faults of the IOMMU in the kernel's log: {}", faults.len());
    if by_dirql.requests.len() != PINGS || by_dirql.replies.len() != PINGS || by_dirql.answered() != PINGS {
        return Err(format!("the pcap does not hold {PINGS} pings and their replies").into());
    }
    if all.answered() != PINGS + 3 {
        return Err("the pcap does not hold the kernel's pings and their replies".into());
    }
    if !faults.is_empty() {
        return Err(format!("the IOMMU reported faults: {faults:#?}").into());
    }
    println!(
        "\nIt holds: the NIC was driven from userspace, and the network outside answered; so was the GPU, and it shows."
    );
    Ok(())
}

/// Runs a command in the guest before the spectator's eyes; fails if it does.
fn show(machine: &Machine, user: &str, words: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{user}{} {words}", if user == "root" { '#' } else { '$' })?;
    let running = machine.command(words).user(user).spawn()?;
    running.wait_showing(Duration::from_secs(120), &mut out)?.ok().map(drop)
}

fn title(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    Ok(writeln!(out, "\n--- {text}")?)
}
