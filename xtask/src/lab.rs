//! A machine to look around in.

use dirql_lab::{Machine, Net, Result};

/// Boots the machine with a shell on this terminal, and ends with it.
pub fn run(user: &str, devices: &[String]) -> Result<()> {
    dirql_lab::prepare()?;
    let artifacts = dirql_lab::programs::build()?.target.join("lab/shell");
    let mut machine = Machine::builder("shell")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .device("edu,addr=04.0")
        .module("e1000")
        .kernel_parameter("quiet")
        .artifacts(&artifacts)
        .shell(user);
    for device in devices {
        machine = machine.device(device);
    }
    println!(
        "\ne1000 at 00:03.0, edu at 00:04.0; users root, demo and other (su -l demo); leave with exit.\n\
         Your own program: copy it, once the machine runs, to\n  {}\nwhich is /share in there. What \
         goes over the e1000's cable is in lan.pcap beside it.\n",
        artifacts.join("share").display()
    );
    Ok(machine.boot()?.wait()?)
}
