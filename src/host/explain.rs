//! From the errno of a refused call to its cause: opening and joining a group, and reaching a device in it. What
//! the kernel answers is read in its `drivers/vfio/{group,container,vfio_iommu_type1}.c`.

use std::path::Path;

use nix::errno::Errno;

use super::function::not_found;
use super::{Function, Group, Host};
use crate::pci::Address;
use crate::{Code, Error, ErrorKind};

/// What to do without interrupt remapping.
pub(super) const REMAPPING: &str = "in QEMU: -machine kernel-irqchip=split -device intel-iommu,intremap=on; else switch \
     interrupt remapping (x2APIC) on in the firmware's setup";

impl Host {
    /// What is said of a function without an IOMMU group.
    pub(super) fn no_iommu(&self, function: &Function, operation: &str) -> Error {
        let (why, fix) = self.why_no_iommu();
        let but = if self.allows_noiommu() { ", and dirql uses no group without an IOMMU" } else { "" };
        Error::new(ErrorKind::Precondition, operation)
            .on(function.address)
            .why(format!("it has no IOMMU group{but}: {why}"))
            .fix(fix)
            .code(Code::E3)
    }

    /// Why vfio-pci does not take a function: the errno of a write to its `bind`.
    pub fn explain_bind(&self, function: &Function, errno: Errno) -> Error {
        let address = function.address;
        let error = Error::os(errno, "binding to vfio-pci").on(address).code(Code::E3);
        match errno {
            Errno::EINVAL if function.iommu_group.is_none() => {
                self.no_iommu(function, "binding to vfio-pci").errno(errno)
            }
            Errno::EINVAL if function.is_bridge() => error
                .kind_is(ErrorKind::Precondition)
                .why("it is a bridge, which vfio-pci does not take")
                .fix("bind the functions behind it: dirql list"),
            Errno::EINVAL if is_denied(function) => error
                .kind_is(ErrorKind::Precondition)
                .why("vfio-pci lists it as unsafe to hand out: it has known faults that reach beyond it")
                .fix("use another device; the module's disable_denylist=1 lifts the list, and is not safe"),
            Errno::EINVAL => error
                .kind_is(ErrorKind::Precondition)
                .why("the IOMMU cannot keep the device's DMA coherent with the CPU's caches, which VFIO insists on")
                .fix("use another slot or another machine; the kernel's log: sudo dmesg | grep -i vfio"),
            Errno::EBUSY if function.virtual_functions > 0 => error
                .why(format!("{} virtual functions (SR-IOV) of it are on", function.virtual_functions))
                .fix(format!("echo 0 | sudo tee {}/sriov_numvfs", function.path().display())),
            Errno::EBUSY => error
                .why("another driver took it meanwhile, or its group is in use by a driver of the kernel")
                .fix("dirql list"),
            Errno::ENOENT => error
                .kind_is(ErrorKind::Precondition)
                .why("the module vfio-pci is not loaded")
                .fix("sudo modprobe vfio-pci"),
            Errno::ENODEV => error
                .kind_is(ErrorKind::Precondition)
                .why("vfio-pci does not match it: somebody changed its driver_override meanwhile")
                .fix("try again"),
            Errno::EACCES | Errno::EPERM => super::record::denied(error, address, "bind"),
            _ => error
                .why("vfio-pci could not start it")
                .fix("see the kernel's log: sudo dmesg | grep -i vfio"),
        }
    }

    /// Why the node `/dev/vfio/vfio` of the container cannot be opened.
    pub fn explain_open_container(&self, address: Address, errno: Errno) -> Error {
        self.container_refused(errno).on(address)
    }

    pub(super) fn container_refused(&self, errno: Errno) -> Error {
        let path = self.container_node();
        let error = Error::os(errno, "open of the VFIO container").path(&path);
        match errno {
            Errno::ENOENT | Errno::ENODEV if self.sys.join("class/misc/vfio").exists() => {
                self.not_here(&path, error)
            }
            Errno::ENOENT | Errno::ENODEV => error
                .kind_is(ErrorKind::Precondition)
                .why("the module vfio is not loaded")
                .fix("sudo modprobe vfio-pci")
                .code(Code::E2),
            Errno::EACCES | Errno::EPERM => error
                .why("the node's mode was changed: the kernel makes it readable and writable to all")
                .fix(format!("sudo chmod 0666 {}", path.display()))
                .code(Code::E1),
            _ => error
                .why("the kernel could not open it")
                .fix("see the kernel's log: sudo dmesg")
                .code(Code::E8),
        }
    }

    /// A node that the kernel has made, and that is not in this `/dev`.
    fn not_here(&self, node: &Path, error: Error) -> Error {
        let error = error.kind_is(ErrorKind::Precondition).code(Code::E2);
        let device = format!("--device {}", node.display());
        if self.is_container() {
            return error.why("this container was not given the node").fix(format!("start it with {device}"));
        }
        error
            .why("the kernel has the node, and /dev has not: its manager has not made it yet, or this is a container")
            .fix(format!("sudo udevadm settle, and try again; for a container: {device}"))
    }

    /// Whether this is a container, as those who make them say by a file.
    fn is_container(&self) -> bool {
        let root = self.run.parent().unwrap_or(&self.run);
        ["run/.containerenv", "run/systemd/container", ".dockerenv"]
            .iter()
            .any(|file| root.join(file).exists())
    }

    /// Why the node of `group` cannot be opened.
    pub fn explain_open_group(&self, address: Address, group: u32, errno: Errno) -> Error {
        let operation = "open of the IOMMU group";
        let Some(group) = self.group(group).ok() else {
            return gone(Error::os(errno, operation).on(address))
                .path(self.dev.join("vfio").join(group.to_string()))
                .code(Code::E2);
        };
        let error = Error::os(errno, operation).on(address).path(&group.node);
        match errno {
            Errno::EACCES => {
                let node = self.node(&group).map_or("another user's".to_string(), |node| node.ownership());
                let me = nix::unistd::Uid::effective();
                let me =
                    nix::unistd::User::from_uid(me).ok().flatten().map_or(me.to_string(), |user| user.name);
                error
                    .why(format!("the node is {node}, and this process runs as {me}"))
                    .fix(format!(
                        "sudo dirql bind {address} --owner {}",
                        if me == "root" { "root" } else { "$USER" }
                    ))
                    .code(Code::E1)
            }
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => self.missing_node(address, &group, error),
            Errno::EBUSY => self.held(&group, error),
            Errno::EPERM if group.is_noiommu => {
                let (_, fix) = self.why_no_iommu();
                error
                    .why("the group has no IOMMU: only a process with CAP_SYS_RAWIO may open it, nothing would be \
                          translated, and no DMA could be mapped")
                    .fix(fix)
                    .code(Code::E6)
            }
            Errno::EPERM if !group.blocking().is_empty() => self.not_viable(address, &group, error),
            Errno::EPERM => error
                .why("the kernel forbids this process the node, as a container's device list does")
                .fix(format!("for a container: --device {}", group.node.display()))
                .code(Code::E1),
            _ => error
                .why("the kernel could not open it")
                .fix("see the kernel's log: sudo dmesg")
                .code(Code::E8),
        }
    }

    fn missing_node(&self, address: Address, group: &Group, error: Error) -> Error {
        let error = error.kind_is(ErrorKind::Precondition).code(Code::E2);
        let Ok(function) = self.function(address) else { return not_found(self, address) };
        if !function.is_on_vfio() {
            let here = self.not_on_vfio(&function, "");
            return error
                .why(here.cause().unwrap_or_default())
                .fix(format!("sudo dirql bind {address} --owner $USER"));
        }
        if self.device_node(&function).is_some() && !self.sys.join("class/vfio").exists() {
            return error
                .why("this kernel has no groups (CONFIG_VFIO_GROUP), only the nodes of /dev/vfio/devices")
                .fix("boot a kernel with CONFIG_VFIO_GROUP");
        }
        let other = group.node.with_file_name(format!("noiommu-{}", group.number));
        if other.exists() {
            return error
                .why(format!("the group has no IOMMU: its node is {}", other.display()))
                .fix(self.why_no_iommu().1)
                .code(Code::E6);
        }
        self.not_here(&group.node, error)
    }

    fn held(&self, group: &Group, error: Error) -> Error {
        let error = error.kind_is(ErrorKind::Busy).code(Code::E7);
        let holders = self.holders(group);
        if holders.found.iter().any(super::Holder::is_this_process) {
            return error
                .why("this process holds the group already: a device of the group, or a mapped BAR of one, is alive")
                .fix("open the devices of one group through one container, and drop the earlier device first");
        }
        match holders.describe() {
            Some(described) => {
                let pids: Vec<String> = holders.found.iter().map(|holder| holder.pid.to_string()).collect();
                error.why(format!("held by {described}")).fix(format!("kill {}", pids.join(" ")))
            }
            None if holders.hidden > 0 => error
                .why("another user's process holds the group; only root sees which")
                .fix(format!("sudo fuser -v {}", group.node.display())),
            None => error
                .why("the group was held, and is not any more: whoever held it has just let go")
                .fix("try again"),
        }
    }

    /// Why the group is not viable: which of its functions are still on drivers of the kernel.
    pub fn explain_not_viable(&self, address: Address, group: u32) -> Error {
        let error = Error::new(ErrorKind::Precondition, "use of the IOMMU group").on(address);
        match self.group(group) {
            Ok(group) => self.not_viable(address, &group, error),
            Err(_) => gone(error).code(Code::E4),
        }
    }

    fn not_viable(&self, _address: Address, group: &Group, error: Error) -> Error {
        let blocking = group.blocking();
        let error = error.kind_is(ErrorKind::Precondition).code(Code::E4);
        if blocking.is_empty() {
            return error
                .why(format!(
                    "the kernel calls group {} not viable, though no function of it is on a driver of the kernel: \
                     another process uses the group through /dev/iommu, or a driver let go just now",
                    group.number
                ))
                .fix("try again");
        }
        let names: Vec<String> = blocking
            .iter()
            .map(|member| format!("{} ({})", member.address, member.driver.as_deref().unwrap_or("no driver")))
            .collect();
        let (verb, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        error
            .why(format!(
                "group {} is not viable: {} {verb} still on a driver of the kernel, and the IOMMU cannot tell {them} \
                 apart from this device",
                group.number,
                names.join(", ")
            ))
            .fix(format!("sudo dirql bind --group {} --owner $USER", group.number))
    }

    /// Why `VFIO_GROUP_SET_CONTAINER` was refused.
    pub fn explain_set_container(&self, address: Address, group: u32, errno: Errno) -> Error {
        let error = Error::os(errno, "joining of the IOMMU group to the container").on(address);
        let Ok(group) = self.group(group) else {
            return gone(error).code(Code::E8);
        };
        let error = error.path(&group.node);
        match errno {
            Errno::EPERM if group.is_noiommu => self.explain_open_group(address, group.number, errno),
            Errno::EPERM => self.not_viable(address, &group, error),
            Errno::EINVAL => error
                .kind_is(ErrorKind::Busy)
                .why("the group is in a container already")
                .fix("open the devices of one group through one container")
                .code(Code::E8),
            Errno::ENODEV => gone(error).code(Code::E8),
            _ => unknown(error).code(Code::E8),
        }
    }

    /// Why `VFIO_SET_IOMMU` was refused.
    pub fn explain_set_iommu(&self, address: Address, group: u32, errno: Errno) -> Error {
        let error = Error::os(errno, "setting of the container's IOMMU").on(address).code(Code::E8);
        match errno {
            Errno::EPERM => self.no_remapping(address, group, error),
            Errno::ENODEV => error
                .kind_is(ErrorKind::Precondition)
                .why("the module vfio_iommu_type1 is not loaded")
                .fix("sudo modprobe vfio_iommu_type1"),
            Errno::EINVAL => error
                .kind_is(ErrorKind::Precondition)
                .why(
                    "the container has no group yet, its IOMMU is set already, or the device's reserved addresses \
                     collide with what is mapped",
                )
                .fix("join the group first, set the IOMMU once; for another device, take another container"),
            Errno::EBUSY => match self.group(group) {
                Ok(group) => self.held(&group, error),
                Err(_) => gone(error),
            },
            _ => unknown(error),
        }
    }

    fn no_remapping(&self, address: Address, number: u32, error: Error) -> Error {
        if let Ok(group) = self.group(number) {
            if !group.blocking().is_empty() {
                return self.not_viable(address, &group, error);
            }
            let holders = self.holders(&group);
            let others: Vec<String> = holders
                .found
                .iter()
                .filter(|holder| !holder.is_this_process())
                .map(super::Holder::to_string)
                .collect();
            if !others.is_empty() {
                return error
                    .kind_is(ErrorKind::Busy)
                    .code(Code::E5)
                    .why(format!("the group belongs to another: {}", others.join(", ")))
                    .fix("end that process, and try again");
            }
        }
        error
            .kind_is(ErrorKind::Precondition)
            .code(Code::E5)
            .why("the IOMMU does not remap interrupts, so that a device could raise any interrupt of the machine \
                 (or firmware reserves memory for this device)")
            .fix(REMAPPING)
    }

    /// Why another request was refused: of one that this kernel does not know (ENOTTY), its age (E14).
    pub fn explain_request(&self, address: Address, errno: Errno, operation: impl Into<String>) -> Error {
        let error = Error::os(errno, operation).on(address);
        if errno != Errno::ENOTTY {
            return error;
        }
        error
            .kind_is(ErrorKind::Precondition)
            .why(format!(
                "this kernel ({}) does not know the request: iommufd and device nodes take 6.6, vectors that are added \
                 to MSI-X 6.5; what the group interface needs is there from 5.4 on",
                self.kernel_version()
            ))
            .fix("boot a newer kernel, or do without: dirql uses the group interface")
            .code(Code::E14)
    }

    /// Why `VFIO_GROUP_GET_DEVICE_FD` was refused.
    pub fn explain_get_device(&self, address: Address, group: u32, errno: Errno) -> Error {
        let error = Error::os(errno, "open of the device").on(address).code(Code::E8);
        let function = self.function(address);
        match (errno, function) {
            (_, Err(not_found)) => not_found,
            (Errno::ENODEV, Ok(function)) if !function.is_on_vfio() => {
                let here = self.not_on_vfio(&function, "");
                error
                    .kind_is(ErrorKind::Precondition)
                    .why(here.cause().unwrap_or_default())
                    .fix(format!("sudo dirql bind {address} --owner $USER"))
                    .code(Code::E2)
            }
            (Errno::ENODEV, Ok(function)) => {
                let it = function.iommu_group.map_or("no group".into(), |number| format!("group {number}"));
                error
                    .why(format!("the device is not in group {group}: it is in {it}"))
                    .fix("open it through the node of its own group")
            }
            (Errno::EINVAL, _) => error
                .kind_is(ErrorKind::Precondition)
                .why("the container is not ready: its IOMMU is not set yet")
                .fix("set the container's IOMMU before a device is asked for"),
            (Errno::EACCES, _) => error
                .why("it is a virtual function (SR-IOV), and whoever has the physical one asks for a token (vf_token)")
                .fix("open the physical function first, and set the same vf_token"),
            (Errno::EBUSY, _) => match self.group(group) {
                Ok(group) => self.held(&group, error),
                Err(_) => gone(error),
            },
            (Errno::EIO, _) => error
                .why("the device did not come out of its sleep: it may be gone or defect")
                .fix("see the kernel's log: sudo dmesg; a cold start may bring it back"),
            _ => unknown(error),
        }
    }
}

fn gone(error: Error) -> Error {
    error.kind_is(ErrorKind::NotFound).why("the group has gone: the device was removed").fix("dirql list")
}

fn unknown(error: Error) -> Error {
    error
        .why("the kernel refuses, and nothing that can be looked at says why")
        .fix("sudo dmesg | grep -i vfio")
}

/// Whether vfio-pci refuses the function by its id (`vfio_pci_dev_in_denylist`): Intel's QuickAssist of some years, and
/// its virtual functions.
fn is_denied(function: &Function) -> bool {
    const QUICK_ASSIST: [u16; 6] = [0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443];
    function.vendor == 0x8086 && QUICK_ASSIST.contains(&function.device)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
