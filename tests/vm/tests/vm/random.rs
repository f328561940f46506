//! Entropy: what the host feeds the device with is what comes out of the program, and of the kernel once it has it back.

use crate::frames::Random;
use crate::traffic::no_faults;
use crate::{check, test};
use dirql_lab::{Machine, Result};
use libtest_mimic::Trial;
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const RNG: &str = "0000:00:05.0";
const KILL: i32 = 9;
/// Bytes that the host has for the device: more than anybody takes.
const FED: usize = 64 << 20;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![test("random::the_hosts_bytes_arrive_also_after_a_death_and_in_the_kernel", arrives)]
}

/// How long `part` is with what is before it in `all`, at `from` or behind.
fn find(all: &[u8], from: usize, part: &[u8]) -> Result<usize> {
    let start = part.get(..16).ok_or_else(|| format!("only {} bytes", part.len()))?;
    let mut at =
        all[from..].windows(16).position(|window| window == start).ok_or("nobody fed these bytes")?;
    at += from;
    check(all[at..].starts_with(part), || format!("{} bytes are not those from {at} on", part.len()))?;
    Ok(at + part.len())
}

fn arrives() -> Result<()> {
    let mut random = Random(44);
    let fed: Vec<u8> = (0..FED / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), &fed)?;
    let machine = Machine::builder("random")
        .object(&format!("rng-random,id=rng0,filename={}", file.path().display()))
        .device("virtio-rng-pci,rng=rng0,addr=05.0,disable-legacy=on,iommu_platform=on")
        .boot()?;
    machine.root(&format!("dirql bind {RNG} --owner demo"))?.ok()?;
    let read = |name: &str| fs::read(machine.share().join(name));

    // Nobody has read before: it begins where the file does.
    let words = format!("dirql random {RNG} --bytes 100000 --json -o /share/first");
    let document = machine.user("demo", &words)?.ok()?.json()?;
    check(document["bytes"] == 100_000, || document.to_string())?;
    let first = read("first")?;
    check(first == fed[..100_000], || format!("{} bytes are not the first of the host's", first.len()))?;

    let mut at = first.len();
    for round in 0..5 {
        let name = format!("killed-{round}");
        let running =
            machine.command(&format!("dirql random {RNG} -o /share/{name}")).user("demo").spawn()?;
        machine.shell(&format!("while ! [ -s /share/{name} ]; do sleep 0.1; done"))?.ok()?;
        running.signal(KILL)?;
        let end = running.wait(PATIENCE)?;
        check(end.code().is_none(), || format!("it ended before it was killed: {end}"))?;
        at = find(&fed, at, &read(&name)?)?;
    }
    let piped = machine.user("demo", &format!("dirql random {RNG} --bytes 5000"))?.ok()?;
    at = find(&fed, at, &piped.stdout)?;
    machine.user("demo", &format!("dirql selftest {RNG}"))?.ok()?;
    no_faults(&machine)?;

    machine.root(&format!("dirql restore {RNG}"))?.ok()?;
    let kernel = machine.shell("modprobe virtio_rng && head -c 64 /dev/hwrng")?.ok()?;
    find(&fed, at, &kernel.stdout)?;
    no_faults(&machine)
}
