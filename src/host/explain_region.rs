//! From the errno of a refused access to a BAR to its cause. What the kernel answers is read in its
//! `drivers/vfio/pci/{vfio_pci_core,vfio_pci_rdwr}.c`.

use nix::errno::Errno;

use super::{Host, Resource};
use crate::pci::{Address, Command, ConfigSpace};
use crate::{Code, Error, ErrorKind};

/// What the kernel maps at least.
const PAGE: u64 = 4096;

impl Host {
    /// Why `operation`, an access to or a mapping of BAR `bar`, was refused. `config` is the configuration space as it
    /// reads now, empty where it cannot be read; `bar` is `None` for another region.
    pub fn explain_region(
        &self,
        address: Address,
        errno: Errno,
        operation: impl Into<String>,
        bar: Option<u8>,
        config: &[u8],
    ) -> Error {
        let error = Error::os(errno, operation).on(address).code(Code::E12);
        match errno {
            Errno::EIO | Errno::ENODEV | Errno::ENXIO => unanswered(address, config, error),
            Errno::EBUSY => {
                let owners = bar.map(|bar| self.claims(address, bar)).unwrap_or_default();
                let who = match owners.as_slice() {
                    [] => "another driver of the kernel".to_string(),
                    some => some.join(" and "),
                };
                error
                    .why(format!("{who} claims its addresses: see /proc/iomem"))
                    .fix("take it away from there: for a boot console, boot without vga= or with video=off")
            }
            Errno::EINVAL => self.unmappable(address, bar, error),
            _ => error.why("the kernel gives no access to it").fix(format!("dirql info {address}")),
        }
    }

    /// A mapping that the kernel does not make.
    fn unmappable(&self, address: Address, bar: Option<u8>, error: Error) -> Error {
        let calls = "read and write it by calls, as dirql does by itself where a BAR cannot be mapped";
        let error = error.kind_is(ErrorKind::Precondition).fix(calls);
        let Some(Resource { start, len, is_io, .. }) = bar.and_then(|bar| self.resource(address, bar)) else {
            return error.why("the region, or this part of it, is not one that can be mapped");
        };
        if is_io {
            return error.why("it is I/O ports, which cannot be mapped");
        }
        if len < PAGE && start.is_some_and(|start| start % PAGE != 0) {
            return error.why(format!(
                "its {len} bytes share a page with something else, and a page is what can be mapped"
            ));
        }
        error.why(
            "this part of it cannot be mapped, as a page with the MSI-X table, or the mapping is private",
        )
    }

    /// Where a BAR lies. An ordinary user sees that too.
    fn resource(&self, address: Address, bar: u8) -> Option<Resource> {
        self.function(address).ok()?.resources().into_iter().find(|resource| resource.index == bar)
    }

    /// Who has claimed a BAR's addresses, by the names below the function's own in `/proc/iomem`, or all of those
    /// where only root sees addresses.
    fn claims(&self, address: Address, bar: u8) -> Vec<String> {
        let start = self.resource(address, bar).and_then(|resource| resource.start);
        let text = std::fs::read_to_string(self.proc.join("iomem")).unwrap_or_default();
        let depth = |line: &str| line.len() - line.trim_start().len();
        let name = |line: &str| line.split_once(" : ").map(|(_, name)| name.trim().to_string());
        let begins = |line: &str| u64::from_str_radix(line.trim().split('-').next()?, 16).ok();
        let mut found = Vec::new();
        let mut inside = None;
        for line in text.lines() {
            match inside {
                Some(outer) if depth(line) > outer => found.extend(name(line)),
                _ => {
                    let is = name(line).is_some_and(|name| name == address.to_string());
                    let same = begins(line).is_none_or(|at| at == 0 || start.is_none_or(|start| start == at));
                    inside = (is && same).then(|| depth(line));
                }
            }
        }
        found.retain(|name| name != super::VFIO_PCI);
        found.dedup();
        found
    }
}

/// A device that does not answer: asleep, told not to, or gone.
fn unanswered(address: Address, config: &[u8], error: Error) -> Error {
    let error = error.kind_is(ErrorKind::Device);
    let again = "open the device anew, which wakes it and turns memory decoding on";
    let Ok(config) = ConfigSpace::new(config.to_vec()) else {
        return error.why("the device does not answer: it has gone, or is asleep").fix("dirql list");
    };
    if config.vendor_id() == u16::MAX {
        return error
            .why("the device is gone: its configuration space reads as ones")
            .fix("plug it again, or: echo 1 | sudo tee /sys/bus/pci/rescan");
    }
    if let Some(state) = config.power_management().map(|power| power.state).filter(|&state| state != 0) {
        let hot = if state == 3 { "hot" } else { "" };
        return error.why(format!("the device is asleep, in power state D{state}{hot}")).fix(again);
    }
    if !config.command().contains(Command::MEMORY_SPACE) {
        return error
            .why("memory decoding is off in the device's COMMAND register")
            .fix(format!("{again}; or dirql config {address} 4 shows the register"));
    }
    error
        .why("the device does not answer, though it is awake and decodes memory")
        .fix(format!("dirql reset {address}"))
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use super::*;

    const NIC: &str = "0000:00:03.0";

    /// A configuration space with this COMMAND and this power state.
    fn config(command: u16, power: u8) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[0] = 0x86;
        bytes[4..6].copy_from_slice(&command.to_le_bytes());
        // A list with one capability, that of power management, at 0x40.
        (bytes[6], bytes[0x34], bytes[0x40], bytes[0x44]) = (0x10, 0x40, 1, power);
        bytes
    }

    #[test]
    fn refusals_of_a_bar_are_told_apart() {
        let machine = Machine::new();
        machine.function(NIC, 0x8086, 0x100e, Some("vfio-pci"), Some(3));
        machine.file(
            "sys/devices/pci0000:00/0000:00:03.0/resource",
            "0x00000000febc0000 0x00000000febdffff 0x0000000000040200\n\
             0x000000000000c000 0x000000000000c03f 0x0000000000040101\n\
             0x00000000febe0100 0x00000000febe01ff 0x0000000000040200\n",
        );
        machine.file(
            "proc/iomem",
            "c0000000-febfffff : PCI Bus 0000:00\n  fd000000-fdffffff : 0000:00:02.0\n    fd000000-fd00ffff : other\n  \
             febc0000-febdffff : 0000:00:03.0\n    febc0000-febcffff : bootfb\n  febe0000-febeffff : 0000:00:04.0\n",
        );
        let ones = vec![0xff; 256];
        for (errno, bar, config, kind, part) in [
            (Errno::EINVAL, 1, config(7, 0), ErrorKind::Precondition, "I/O ports"),
            (Errno::EINVAL, 2, config(7, 0), ErrorKind::Precondition, "256 bytes share a page"),
            (Errno::EINVAL, 0, config(7, 0), ErrorKind::Precondition, "MSI-X table"),
            (Errno::EBUSY, 0, config(7, 0), ErrorKind::Busy, "bootfb claims"),
            (Errno::EBUSY, 2, config(7, 0), ErrorKind::Busy, "another driver"),
            (Errno::EIO, 0, config(0, 0), ErrorKind::Device, "memory decoding is off"),
            (Errno::EIO, 0, config(7, 3), ErrorKind::Device, "power state D3hot"),
            (Errno::EIO, 0, ones, ErrorKind::Device, "is gone"),
            (Errno::EIO, 0, vec![], ErrorKind::Device, "does not answer"),
            (Errno::EIO, 0, config(7, 0), ErrorKind::Device, "though it is awake"),
        ] {
            let address = NIC.parse().unwrap();
            let error = machine.host().explain_region(address, errno, "mapping of a BAR", Some(bar), &config);
            let is = (error.kind(), error.catalogue_code(), error.raw_errno());
            assert_eq!(is, (kind, Some(Code::E12), Some(errno)), "{error}");
            assert!(error.cause().unwrap().contains(part) && error.remedy().is_some(), "{part}: {error}");
        }
    }
}
