//! Finding the functions of the machine, by address or by the name that the kernel's driver gave.

use super::function::not_found;
use super::{Function, Host, files};
use crate::pci::Address;
use crate::{Error, ErrorKind, Result};

impl Host {
    /// Every PCI function, sorted by address; none on a machine without PCI.
    ///
    /// # Errors
    /// Where the directory is there and cannot be read.
    pub fn functions(&self) -> Result<Vec<Function>> {
        let directory = self.devices();
        if let Err(error) = std::fs::read_dir(&directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::io(&error, "listing of the PCI functions").path(directory));
        }
        // One that goes between the two readings is left out.
        Ok(self.addresses().into_iter().filter_map(|address| self.read_function(address)).collect())
    }

    /// The function at `address`.
    ///
    /// # Errors
    /// `NotFound`, with what is on the same bus.
    pub fn function(&self, address: Address) -> Result<Function> {
        self.read_function(address).ok_or_else(|| not_found(self, address))
    }

    /// The function that `name` means: `DDDD:BB:DD.F`, `BB:DD.F`, a network interface (`eth1`) or a disk
    /// (`nvme0n1`, `nvme0`).
    ///
    /// # Errors
    /// `NotFound` where there is none, `InvalidArgument` where it is neither an address nor a name.
    pub fn resolve(&self, name: &str) -> Result<Function> {
        if name.contains(':') || name.is_empty() || name.contains('/') || name.starts_with('.') {
            // Lets the reader of addresses say what one looks like.
            return self.function(name.parse()?);
        }
        for class in ["net", "block", "nvme"] {
            let path = self.sys.join("class").join(class).join(name);
            // The nearest ancestor with an address is the function itself; a bridge is farther up.
            let real = std::fs::canonicalize(path).unwrap_or_default();
            let address = real.ancestors().find_map(|dir| dir.file_name()?.to_str()?.parse().ok());
            if let Some(address) = address {
                return self.function(address);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("look-up of the device {name:?}"))
            .why(format!(
                "it is no address, which is DDDD:BB:DD.F or BB:DD.F in hexadecimal, and no network interface or disk of \
                 a PCI function has the name {name}"
            ))
            .fix("dirql list"))
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> =
            files::names(self.devices()).iter().filter_map(|name| name.parse().ok()).collect();
        addresses.sort_unstable();
        addresses
    }

    fn read_function(&self, address: Address) -> Option<Function> {
        Function::read(&self.devices().join(address.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;
    use crate::ErrorKind;

    #[test]
    fn lists_sorted_and_complete() {
        let machine = Machine::new();
        machine.function("0000:00:1f.2", 0x8086, 0x2922, Some("ahci"), Some(9));
        machine.function("0000:00:03.0", 0x8086, 0x100e, Some("e1000"), Some(3));
        machine.function("10000:01:00.0", 0x1234, 0x11e8, None, None);
        let functions = machine.host().functions().unwrap();
        let seen: Vec<_> = functions.iter().map(|f| f.address.to_string()).collect();
        assert_eq!(seen, ["0000:00:03.0", "0000:00:1f.2", "10000:01:00.0"]);
        let first = &functions[0];
        assert_eq!((first.vendor, first.device, first.iommu_group), (0x8086, 0x100e, Some(3)));
        assert_eq!((first.driver.as_deref(), first.driver_override()), (Some("e1000"), None));
        assert_eq!(first.config().unwrap().device_id(), 0x100e);
        assert_eq!((functions[2].driver.as_deref(), functions[2].iommu_group), (None, None));
    }

    #[test]
    fn an_empty_machine_lists_nothing() {
        assert!(crate::host::Host::at("/nonexistent").functions().unwrap().is_empty());
    }

    #[test]
    fn an_absent_address_names_its_neighbours() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x100e, None, None);
        let error = machine.host().function("00:04.0".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("0000:00:03.0"), "{error}");
        let error = machine.host().resolve("eth7").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_network_interface_names_its_function() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x100e, Some("e1000"), Some(3));
        machine.network("0000:00:03.0", "eth1", 0x1002);
        let function = machine.host().resolve("eth1").unwrap();
        assert_eq!(function.address.to_string(), "0000:00:03.0");
        assert_eq!(function.kernel_names(), ["eth1"]);
    }
}
