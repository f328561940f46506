//! A machine to look around in.

use dirql_lab::{Machine, Net, Result};

/// Boots the machine with a shell on this terminal, and ends with it.
pub fn run(user: &str, devices: &[String]) -> Result<()> {
    dirql_lab::prepare()?;
    let mut machine = Machine::builder("shell")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .device("edu,addr=04.0")
        .module("e1000")
        .kernel_parameter("quiet")
        .shell(user);
    for device in devices {
        machine = machine.device(device);
    }
    let machine = machine.boot()?;
    let share = machine.share();
    println!(
        "\ne1000 at 00:03.0, edu at 00:04.0; users root, demo and other (su -l demo); leave with exit.\n\
         Your own program: copy it to {}, which is /share in there.\n",
        share.display()
    );
    machine.wait()?;
    println!(
        "\nThe guest's /share was {}; what went over its cable is in lan.pcap beside it.",
        share.display()
    );
    Ok(())
}
