//! One PCI function, as sysfs shows it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Host, VFIO_PCI, files};
use crate::pci::{Address, ClassCode, ConfigSpace};
use crate::{Error, ErrorKind, Result};

/// A PCI function at the moment it was read. Nothing is held open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Where it sits.
    pub address: Address,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem vendor ID; 0 on a bridge.
    pub subsystem_vendor: u16,
    /// Subsystem ID; 0 on a bridge.
    pub subsystem_device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class code.
    pub class: ClassCode,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// The number of its IOMMU group; `None` where no IOMMU translates for it.
    pub iommu_group: Option<u32>,
    /// The NUMA node that it is near to, where there are several.
    pub numa_node: Option<u32>,
    /// How many virtual functions (SR-IOV) are on.
    pub virtual_functions: u32,
    /// Whether firmware shows its boot messages on it.
    pub is_boot_display: bool,
    path: PathBuf,
}

impl Function {
    /// Reads the function whose sysfs directory is `path`; `None` where it has gone meanwhile.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let address: Address = path.file_name()?.to_str()?.parse().ok()?;
        let number = |name: &str| files::number(path.join(name));
        Some(Self {
            address,
            vendor: number("vendor")? as u16,
            device: number("device")? as u16,
            subsystem_vendor: number("subsystem_vendor").unwrap_or(0) as u16,
            subsystem_device: number("subsystem_device").unwrap_or(0) as u16,
            revision: number("revision").unwrap_or(0) as u8,
            class: ClassCode::from_u24(number("class").unwrap_or(0) as u32),
            driver: files::link_name(path.join("driver")),
            iommu_group: files::link_name(path.join("iommu_group")).and_then(|name| name.parse().ok()),
            // The kernel prints -1 where there is one node only.
            numa_node: number("numa_node").map(|node| node as u32),
            virtual_functions: number("sriov_numvfs").unwrap_or(0) as u32,
            is_boot_display: number("boot_vga") == Some(1),
            path: path.to_path_buf(),
        })
    }

    /// Its directory in sysfs.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The driver that the kernel is told to take for it, and no other. The kernel shows it only when no bind or unbind of
    /// the function is under way: until then this waits.
    pub fn driver_override(&self) -> Option<String> {
        // The kernel prints "(null)" where there is none.
        files::text(self.path.join("driver_override")).filter(|name| name != "(null)")
    }

    /// Whether vfio-pci has it.
    pub fn is_on_vfio(&self) -> bool {
        self.driver.as_deref() == Some(VFIO_PCI)
    }

    /// Whether its header is that of a bridge (type 1 or 2), which vfio-pci does not take.
    pub fn is_bridge(&self) -> bool {
        self.class.base == 6 || self.config().is_ok_and(|config| config.is_bridge())
    }

    /// A snapshot of its configuration space: 64 bytes for an ordinary user, all of it for root.
    ///
    /// # Errors
    /// Where sysfs cannot be read, as after the function has gone.
    pub fn config(&self) -> Result<ConfigSpace> {
        let path = self.path.join("config");
        let bytes = fs::read(&path).map_err(|error| {
            Error::io(&error, "reading of configuration space").on(self.address).path(&path)
        })?;
        ConfigSpace::new(bytes).map_err(|error| error.on(self.address).path(&path))
    }

    /// The ways in which the kernel can reset it, as `reset_method` lists them: `flr`, `pm`, `bus`…; none without a
    /// reset, or on a kernel before 5.15, which has no such file.
    pub fn reset_methods(&self) -> Vec<String> {
        let text = files::text(self.path.join("reset_method")).unwrap_or_default();
        text.split_whitespace().map(str::to_string).collect()
    }

    /// The size of each BAR in bytes, 0 to 5, and last the expansion ROM, as `resource` lists them; 0 for none.
    pub fn bar_sizes(&self) -> [u64; 7] {
        let mut sizes = [0; 7];
        for resource in self.resources() {
            if let Some(size) = sizes.get_mut(usize::from(resource.index)) {
                *size = resource.len;
            }
        }
        sizes
    }

    /// The network interfaces and disks that the kernel's driver made of it: `eth1`, `nvme0n1`.
    pub fn kernel_names(&self) -> Vec<String> {
        let children = super::in_use::children(&self.path).into_iter();
        children.filter(super::in_use::Child::is_name).map(|child| child.name).collect()
    }
}

/// What is said of an address where no function is.
pub(super) fn not_found(host: &Host, address: Address) -> Error {
    let present = host.addresses();
    let near: Vec<String> = present
        .iter()
        .filter(|other| other.domain() == address.domain() && other.bus() == address.bus())
        .map(Address::to_string)
        .collect();
    let why = match near.as_slice() {
        [] if present.is_empty() => "this machine shows no PCI function at all".to_string(),
        [] => format!("no function has this address, nor any other on bus {:02x}", address.bus()),
        some => {
            let shown = some.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = if some.len() > 8 { " and more" } else { "" };
            format!("no function has this address; on bus {:02x} there are {shown}{more}", address.bus())
        }
    };
    Error::new(ErrorKind::NotFound, "look-up of the PCI function").on(address).why(why).fix("dirql list")
}
