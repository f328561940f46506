//! The NICs that the suites run on, row after row in one machine.

use crate::check;
use dirql_lab::{Guest, Machine, MachineBuilder, Net, Result, Wire};
use std::path::PathBuf;

/// A NIC as QEMU makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Nic {
    /// Its name here, which is that of its cable too.
    pub name: &'static str,
    /// The device in QEMU's words.
    device: &'static str,
    /// The module of the kernel's driver, which is the family's name.
    pub module: &'static str,
    /// The driver's name in sysfs.
    pub kernel: &'static str,
    /// Its slot, which makes its Ethernet address too.
    slot: u8,
}

/// A NIC, and how its interrupts are asked for.
#[derive(Debug)]
pub struct Row {
    /// The NIC.
    pub nic: &'static Nic,
    /// What is asked for; nothing leaves it to the driver.
    interrupts: Option<&'static str>,
    /// What comes of it, in the words of a report.
    pub mode: &'static str,
}

const E1000: Nic = Nic { name: "e1000", device: "e1000", module: "e1000", kernel: "e1000", slot: 5 };
const E1000E: Nic = Nic { name: "e1000e", device: "e1000e", module: "e1000e", kernel: "e1000e", slot: 6 };

/// A virtio-net with these options besides those that an IOMMU wants.
macro_rules! virtio {
    ($slot:expr, $name:expr, $options:expr) => {
        Nic {
            name: concat!("virtio-", $name),
            device: concat!("virtio-net-pci,disable-legacy=on,iommu_platform=on,", $options),
            module: "virtio_net",
            kernel: "virtio-pci",
            slot: $slot,
        }
    };
}

/// Layouts and abilities that a driver may not take for granted.
const VIRTIO: [Nic; 9] = [
    virtio!(0x7, "packed", "packed=on"),
    virtio!(0x8, "no-event-index", "event_idx=off"),
    virtio!(0x9, "no-indirect", "indirect_desc=off"),
    virtio!(0xa, "no-mergeable", "mrg_rxbuf=off"),
    virtio!(0xb, "long-ring", "rx_queue_size=1024"),
    virtio!(0xc, "page-per-queue", "page-per-vq=on"),
    virtio!(0xd, "notify-by-port", "modern-pio-notify=on"),
    virtio!(0xe, "no-vectors", "vectors=0"),
    virtio!(0xf, "one-vector", "vectors=1"),
];

/// Every row.
pub const ROWS: &[Row] = &[
    Row { nic: &E1000, interrupts: None, mode: "intx" },
    Row { nic: &E1000E, interrupts: None, mode: "msix" },
    Row { nic: &E1000E, interrupts: Some("msi"), mode: "msi" },
    Row { nic: &E1000E, interrupts: Some("intx"), mode: "intx" },
    Row { nic: &VIRTIO[0], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[1], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[2], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[3], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[4], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[5], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[6], interrupts: None, mode: "msix" },
    Row { nic: &VIRTIO[7], interrupts: None, mode: "intx" },
    Row { nic: &VIRTIO[8], interrupts: None, mode: "msix" },
];

/// A row of each family.
pub fn families() -> Vec<&'static Row> {
    let mut families: Vec<&Row> = vec![];
    for row in ROWS {
        if families.iter().all(|known| known.nic.module != row.nic.module) {
            families.push(row);
        }
    }
    families
}

/// The rows of a family.
pub fn family(module: &str) -> Vec<&'static Row> {
    ROWS.iter().filter(|row| row.nic.module == module).collect()
}

impl Nic {
    /// Its PCI address.
    pub fn address(&self) -> String {
        format!("0000:00:{:02x}.0", self.slot)
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        [0x52, 0x54, 0x00, 0xd1, 0x62, self.slot]
    }

    /// The kernel's name of its interface, once the kernel's driver has made it.
    pub fn interface(&self, guest: &Guest) -> Result<String> {
        // A virtio device stands between a function and its interface.
        let list = format!(
            "ls -d /sys/bus/pci/devices/{0}/net/* /sys/bus/pci/devices/{0}/virtio*/net/*",
            self.address()
        );
        let line = format!("until {list} 2>/dev/null | grep .; do sleep 0.1; done");
        let path = guest.shell(&line)?.ok()?.text();
        Ok(path.trim().rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Adds it to a machine.
    pub fn plug(&self, machine: MachineBuilder, net: Net) -> MachineBuilder {
        let mac = self.mac().map(|byte| format!("{byte:02x}")).join(":");
        machine.nic(self.name, &format!("{},addr={:02x}.0,mac={mac}", self.device, self.slot), net)
    }
}

impl Row {
    /// Its name in a failure.
    pub fn name(&self) -> String {
        [Some(self.nic.name), self.interrupts].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// A `dirql` command on the device: `send /share/out.pcap` after `dirql net BDF`.
    pub fn net(&self, words: &str) -> String {
        format!("dirql net {} {words}{}", self.nic.address(), self.settings())
    }

    /// The options that start it so.
    pub fn settings(&self) -> String {
        self.interrupts.map_or_else(String::new, |mode| format!(" --interrupts {mode}"))
    }
}

/// The NIC's pcap.
pub fn pcap(machine: &Machine, row: &Row) -> PathBuf {
    machine.pcap(row.nic.name)
}

/// The test's end of the NIC's cable.
pub fn wire<'a>(machine: &'a Machine, row: &Row) -> Result<&'a Wire> {
    machine.wire(row.nic.name)
}

/// A machine with the NICs of these rows, which the kernel's drivers have if they are to.
pub fn unbound(name: &str, rows: &[&'static Row], net: Net, kernel: bool) -> Result<Machine> {
    let mut machine = Machine::builder(name);
    let (mut nics, mut modules) = (vec![], vec![]);
    for nic in rows.iter().map(|row| row.nic) {
        if !nics.contains(&nic) {
            machine = nic.plug(machine, net);
            nics.push(nic);
        }
        if kernel && !modules.contains(&nic.module) {
            machine = machine.module(nic.module);
            modules.push(nic.module);
        }
    }
    machine.boot()
}

/// Gives the NICs of these rows to the user demo.
pub fn bind(machine: &Guest, rows: &[&'static Row]) -> Result<()> {
    let mut addresses: Vec<String> = rows.iter().map(|row| row.nic.address()).collect();
    addresses.dedup();
    machine.root(&format!("dirql bind {} --owner demo", addresses.join(" ")))?.ok().map(drop)
}

/// Does something with each row, in one machine whose NICs are the user demo's. It goes on after a row that fails, and
/// tells all that did.
pub fn each(
    name: &str,
    rows: &[&'static Row],
    net: Net,
    mut run: impl FnMut(&Machine, &'static Row) -> Result<()>,
) -> Result<()> {
    let machine = unbound(name, rows, net, false)?;
    bind(&machine, rows)?;
    all(rows, |row| run(&machine, row))
}

/// Does something with each row; it goes on after one that fails, and tells all that did.
pub fn all(rows: &[&'static Row], mut run: impl FnMut(&'static Row) -> Result<()>) -> Result<()> {
    let mut failed = Vec::new();
    for &row in rows {
        if let Err(error) = run(row) {
            failed.push(format!("{}: {error}", row.name()));
        }
    }
    check(failed.is_empty(), || failed.join("\n\n"))
}

/// All rows.
pub fn rows() -> Vec<&'static Row> {
    ROWS.iter().collect()
}
