//! A machine to look around in.

use dirql_lab::{Machine, Net, Result};

/// Boots the machine with a shell on this terminal, and ends with it.
pub fn run(user: &str, devices: &[String]) -> Result<()> {
    dirql_lab::prepare()?;
    let mut machine = Machine::builder("shell")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .device("edu,addr=04.0")
        .module("e1000")
        .shell(user);
    for device in devices {
        machine = machine.device(device);
    }
    let machine = machine.boot()?;
    let share = machine.share();
    machine.wait()?;
    println!(
        "\nThe guest's /share was {}; what went over its cable is in lan.pcap beside it.",
        share.display()
    );
    Ok(())
}
