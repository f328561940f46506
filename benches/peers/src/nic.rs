//! The NICs that are measured, all in one machine, each with a cable of its own.

use clap::ValueEnum;
use dirql_lab::{Guest, Machine, Net, Result, dpdk};
use serde::Serialize;

/// Where the guest sees DPDK.
pub const DPDK: &str = "/mnt/dpdk";

/// A NIC under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nic {
    /// 82540EM
    E1000,
    /// 82574L
    E1000e,
    /// virtio-net, split rings
    VirtioNet,
}

impl Nic {
    /// Its name here and in QEMU's words, which is that of its cable.
    pub fn name(self) -> &'static str {
        match self {
            Nic::E1000 => "e1000",
            Nic::E1000e => "e1000e",
            Nic::VirtioNet => "virtio-net",
        }
    }

    /// Its PCI address.
    pub fn address(self) -> &'static str {
        match self {
            Nic::E1000 => "0000:00:03.0",
            Nic::E1000e => "0000:00:04.0",
            Nic::VirtioNet => "0000:00:05.0",
        }
    }

    /// Its Ethernet address.
    pub fn mac(self) -> [u8; 6] {
        [0x52, 0x54, 0x00, 0xd1, 0x61, self as u8 + 1]
    }

    /// The NIC as QEMU is told of it.
    fn device(self) -> String {
        let [model, options] = match self {
            Nic::E1000 => ["e1000", ""],
            Nic::E1000e => ["e1000e", ""],
            // Behind an IOMMU, or it takes addresses as physical ones.
            Nic::VirtioNet => ["virtio-net-pci", ",disable-legacy=on,iommu_platform=on"],
        };
        let slot = self.address().trim_start_matches("0000:00:");
        let mac = self.mac().map(|byte| format!("{byte:02x}")).join(":");
        format!("{model},addr={slot},mac={mac}{options}")
    }

    /// The kernel's name of its interface, while the kernel has it.
    pub fn interface(self, guest: &Guest) -> Result<String> {
        // A virtio device stands between the function and its interface.
        let line = format!(
            "cd /sys/bus/pci/devices/{}; ls -d net/* virtio*/net/* 2>/dev/null || true",
            self.address()
        );
        let wait = format!("until [ -n \"$({line})\" ]; do sleep 0.1; done; {line}");
        let path = guest.shell(&wait)?.ok()?.text();
        let name = path.trim().rsplit('/').next().unwrap_or_default().to_owned();
        Ok(name)
    }
}

/// Bytes that a cable holds, which is some thousand frames: while QEMU waits for a processor none are lost, and a NIC that is
/// too slow is as late as it was.
const CABLE: usize = 2 << 20;

/// Boots the machine with all of these NICs, on the kernel's drivers.
pub fn boot(nics: &[Nic]) -> Result<Machine> {
    let mut machine = Machine::builder("peers")
        .memory_mib(1536)
        .huge_pages(64)
        .directory("dpdk", &dpdk::unpacked()?)
        .no_pcaps()
        // Else the clock is a device, as that of no real machine is.
        .kernel_parameter("tsc=reliable")
        .module("e1000")
        .module("e1000e")
        .module("virtio_net")
        .module("pktgen");
    for nic in nics {
        machine = machine.nic(nic.name(), &nic.device(), Net::Wire);
    }
    let machine = machine.boot()?;
    for nic in nics {
        machine.widen(nic.name(), CABLE)?;
    }
    machine.shell("mkdir -p /dev/hugepages && mount -t hugetlbfs hugetlbfs /dev/hugepages")?.ok()?;
    Ok(machine)
}
