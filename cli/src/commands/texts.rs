//! What commands print on a machine in a directory, as it reads: beside the files in `tests/text/snapshots/machine`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use clap::Parser as _;
use dirql::host::Host;

use super::{bind, doctor, list, restore, udev};
use crate::args::{Cli, Command};
use crate::output::{End, Output};

/// A machine with a NIC that the kernel drives, a display that nobody does, and a bridge.
fn machine(root: &Path) {
    let file = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let link = |path: &str, target: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    };
    for (address, id, class, driver, group) in [
        ("0000:00:03.0", "8086 100e", "0x020000", Some("e1000"), "3"),
        ("0000:00:05.0", "1af4 1050", "0x038000", None, "5"),
        ("0000:00:1e.0", "8086 244e", "0x060401", Some("pcieport"), "9"),
    ] {
        let (vendor, device) = id.split_once(' ').unwrap();
        let path = format!("sys/bus/pci/devices/{address}");
        file(&format!("{path}/vendor"), &format!("0x{vendor}\n"));
        file(&format!("{path}/device"), &format!("0x{device}\n"));
        file(&format!("{path}/class"), &format!("{class}\n"));
        file(&format!("{path}/driver_override"), "(null)\n");
        if let Some(driver) = driver {
            link(&format!("{path}/driver"), &format!("../../../../bus/pci/drivers/{driver}"));
        }
        link(&format!("{path}/iommu_group"), &format!("../../../../kernel/iommu_groups/{group}"));
        link(
            &format!("sys/kernel/iommu_groups/{group}/devices/{address}"),
            &format!("../../../../bus/pci/devices/{address}"),
        );
    }
    file("sys/bus/pci/drivers/vfio-pci/bind", "");
    file("sys/module/vfio_iommu_type1/refcnt", "0\n");
    file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n");
    file("proc/interrupts", " 24:  0  IR-PCI-MSI 0-edge  eth0\n");
    file("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
    file("proc/self/limits", "Max locked memory  1048576  1048576  bytes\n");
    file("proc/self/status", "Name:\tx\nVmLck:\t0 kB\nVmPin:\t0 kB\nCapEff:\t0000000000000000\n");
    file("sys/class/vfio/x", "");
    file("dev/vfio/vfio", "");
    file("sys/bus/pci/devices/0000:00:03.0/net/eth1/flags", "0x1003\n");
    link("sys/bus/pci/devices/0000:00:03.0/net/eth1/subsystem", "../../../../../../class/net");
}

/// Looks at what a command prints, on the machine below `root`, for a terminal of 80 columns.
fn compare(name: &str, lines: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    let host = Host::at(root.path());
    let mut text = String::new();
    for line in lines {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let mut output = Output::kept(cli.json).on_a_terminal(80);
        let ended = match &cli.command {
            Command::List => list::list(&host, &mut output),
            Command::Doctor { device } => doctor::doctor(&host, device.as_deref(), &mut output),
            Command::Bind(args) => bind::bind(&host, args, &mut output),
            Command::Restore(args) => restore::restore(&host, args, &mut output),
            Command::Udev { action } => udev::udev(&host, *action, &mut output),
            command => panic!("{command:?} is not for such a machine"),
        };
        if let Err(End::Failed(errors)) = ended {
            output.failures(&errors);
        }
        let [data, messages] = output.said();
        // Only documents, files and what is to be pasted may be longer.
        let long = data.lines().chain(messages.lines()).find(|line| {
            let stays = [
                "  fix: ",
                "      fix: ",
                "  path: ",
                "echo ",
                "printf ",
                "chown ",
                "#",
                "KERNEL",
                "SUBSYSTEM",
            ];
            line.chars().count() > 80 && !stays.iter().any(|begin| line.starts_with(begin))
        });
        assert!(long.is_none() || cli.json, "{line}: {long:?}");
        text.push_str(&format!("$ {line}\n{data}{messages}\n"));
    }
    let text = text.replace(root.path().to_str().unwrap(), "");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/text/snapshots/machine"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.trim_end()));
}

#[test]
fn what_there_is() {
    compare("list", &["dirql list", "dirql list --json"]);
    compare("udev", &["dirql udev show", "dirql udev remove"]);
}

#[test]
fn what_is_in_the_way() {
    compare("doctor", &["dirql doctor", "dirql doctor 00:03.0", "dirql doctor 00:03.0 --json"]);
}

#[test]
fn what_binding_would_do() {
    compare(
        "bind",
        &[
            "dirql bind 00:03.0",
            "dirql bind 00:03.0 --force --dry-run --owner 0",
            "dirql bind --group 5 --dry-run",
            "dirql bind 00:05.0 --dry-run --json",
            "dirql bind 00:1e.0",
            "dirql bind --group 7",
            "dirql restore --all",
            "dirql restore 00:03.0",
        ],
    );
}
