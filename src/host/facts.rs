//! What sysfs says of a function besides its identity: power, DMA, interrupts, virtual functions, where it is.

use std::fs;
use std::path::Path;

use super::{Function, Host, files};
use crate::pci::Address;

/// The power management of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Power {
    /// `D0` to `D3cold`, as the kernel believes it.
    pub state: Option<String>,
    /// `active`, `suspended`, `unsupported`…
    pub runtime_status: Option<String>,
    /// `on`, or `auto` where the kernel may suspend it.
    pub runtime_control: Option<String>,
    /// Whether its power may be cut while it is suspended.
    pub d3cold_allowed: Option<bool>,
}

/// The virtual functions of a physical one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFunctions {
    /// How many there can be.
    pub total: u32,
    /// Those that there are.
    pub functions: Vec<Address>,
}

/// The interrupts that the kernel has set up for a function, for its driver or for vfio-pci's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInterrupts {
    /// `intx`, `msi` or `msix`.
    pub mode: String,
    /// Their numbers in `/proc/interrupts`.
    pub numbers: Vec<u32>,
}

impl Function {
    /// Its power management.
    pub fn power(&self) -> Power {
        let text = |name: &str| files::text(self.path().join(name));
        Power {
            state: text("power_state").filter(|state| state != "unknown"),
            runtime_status: text("power/runtime_status"),
            runtime_control: text("power/control"),
            d3cold_allowed: files::number(self.path().join("d3cold_allowed")).map(|allowed| allowed != 0),
        }
    }

    /// How many address bits the kernel's driver said that it reaches by DMA; 32 where nobody said.
    pub fn dma_mask_bits(&self) -> Option<u32> {
        files::number(self.path().join("dma_mask_bits")).map(|bits| bits as u32)
    }

    /// The processors near it, as `0-3,8`.
    pub fn local_cpus(&self) -> Option<String> {
        files::text(self.path().join("local_cpulist"))
    }

    /// The kernel module of its driver; `None` where that is built in.
    pub fn module(&self) -> Option<String> {
        files::link_name(self.path().join("driver/module"))
    }

    /// The IOMMU that translates for it, as `/sys/class/iommu` names it: `dmar0`.
    pub fn iommu(&self) -> Option<String> {
        files::link_name(self.path().join("iommu"))
    }

    /// Its virtual functions; `None` where it can have none.
    pub fn sriov(&self) -> Option<VirtualFunctions> {
        let total = files::number(self.path().join("sriov_totalvfs"))? as u32;
        let links = files::names(self.path()).into_iter().filter(|name| name.starts_with("virtfn"));
        let mut functions: Vec<Address> =
            links.filter_map(|name| files::link_name(self.path().join(name))?.parse().ok()).collect();
        functions.sort_unstable();
        Some(VirtualFunctions { total, functions })
    }

    /// The physical function that it is a virtual one of.
    pub fn physical_function(&self) -> Option<Address> {
        files::link_name(self.path().join("physfn"))?.parse().ok()
    }

    /// The interrupts that are set up for it now; `None` where there are none.
    pub fn kernel_interrupts(&self) -> Option<KernelInterrupts> {
        let directory = self.path().join("msi_irqs");
        let names = files::names(&directory);
        let mode = names.first().and_then(|name| files::text(directory.join(name)));
        if let Some(mode) = mode {
            let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
            numbers.sort_unstable();
            return Some(KernelInterrupts { mode, numbers });
        }
        let line = files::number(self.path().join("irq")).filter(|&line| line != 0)?;
        Some(KernelInterrupts { mode: "intx".into(), numbers: vec![line as u32] })
    }

    /// The ports between the root complex and it, the root port first; none for what is on a root bus.
    pub fn ports(&self) -> Vec<Address> {
        let real = fs::canonicalize(self.path()).unwrap_or_default();
        let address = |path: &Path| path.file_name()?.to_str()?.parse().ok();
        let mut ports: Vec<Address> = real.ancestors().skip(1).filter_map(address).collect();
        ports.reverse();
        ports
    }
}

impl Host {
    /// The physical slot that a function sits in, by the name that firmware or hot-plug gave it.
    pub fn slot(&self, function: &Function) -> Option<String> {
        let slots = self.sys.join("bus/pci/slots");
        let address = function.address.to_string();
        let (device, _) = address.rsplit_once('.')?;
        files::names(&slots)
            .into_iter()
            .find(|slot| files::text(slots.join(slot).join("address")).as_deref() == Some(device))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn reads_what_there_is_and_nothing_where_there_is_nothing() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x10c9, Some("igb"), Some(3));
        let bare = machine.host().function("00:03.0".parse().unwrap()).unwrap();
        assert_eq!((bare.power(), bare.sriov(), bare.kernel_interrupts()), (Default::default(), None, None));
        assert_eq!((bare.iommu(), bare.module(), machine.host().slot(&bare)), (None, None, None));
        let path = "sys/devices/pci0000:00/0000:00:03.0";
        for (file, text) in [
            ("power_state", "D0"),
            ("power/runtime_status", "active"),
            ("power/control", "auto"),
            ("d3cold_allowed", "1"),
            ("dma_mask_bits", "64"),
            ("local_cpulist", "0-1"),
            ("sriov_totalvfs", "7"),
            ("irq", "11"),
        ] {
            machine.file(&format!("{path}/{file}"), &format!("{text}\n"));
        }
        machine.link(&format!("{path}/virtfn0"), "../0000:00:13.0");
        machine.link(&format!("{path}/iommu"), "../../virtual/iommu/dmar0");
        machine.file("sys/bus/pci/slots/7/address", "0000:00:03\n");
        let function = machine.host().function("00:03.0".parse().unwrap()).unwrap();
        let power = function.power();
        assert_eq!((power.state.as_deref(), power.d3cold_allowed), (Some("D0"), Some(true)));
        let sriov = function.sriov().unwrap();
        assert_eq!((sriov.total, sriov.functions[0].to_string().as_str()), (7, "0000:00:13.0"));
        assert_eq!((function.dma_mask_bits(), function.iommu().as_deref()), (Some(64), Some("dmar0")));
        assert_eq!(machine.host().slot(&function).as_deref(), Some("7"));
        let interrupts = function.kernel_interrupts().unwrap();
        assert_eq!((interrupts.mode.as_str(), interrupts.numbers.as_slice()), ("intx", &[11][..]));
        machine.file(&format!("{path}/msi_irqs/26"), "msix\n");
        machine.file(&format!("{path}/msi_irqs/3"), "msix\n");
        let interrupts = function.kernel_interrupts().unwrap();
        assert_eq!((interrupts.mode.as_str(), interrupts.numbers.as_slice()), ("msix", &[3, 26][..]));
        assert!(function.ports().is_empty());
        // Behind a port, the port is a directory above.
        machine.link(
            "sys/bus/pci/devices/0000:01:00.0",
            "../../../devices/pci0000:00/0000:00:03.0/0000:01:00.0",
        );
        for (file, text) in [("vendor", "0x8086"), ("device", "0x10d3")] {
            machine.file(&format!("{path}/0000:01:00.0/{file}"), text);
        }
        let behind = machine.host().function("01:00.0".parse().unwrap()).unwrap();
        assert_eq!(behind.ports(), [function.address]);
    }
}
