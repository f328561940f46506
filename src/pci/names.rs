//! Names of vendors, devices and classes: the system's `pci.ids`, and behind it a packaged copy.

use std::collections::HashMap;

use pci_ids::FromId as _;

use super::ClassCode;

/// Where distributions keep the list.
const PATHS: [&str; 3] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

/// A table of names. What it lacks is looked up in the packaged copy.
#[derive(Debug, Clone, Default)]
pub struct Names {
    vendors: HashMap<u16, String>,
    devices: HashMap<(u16, u16), String>,
    /// By vendor, device, and both of the subsystem.
    subsystems: HashMap<[u16; 4], String>,
    classes: HashMap<u8, String>,
    subclasses: HashMap<(u8, u8), String>,
}

impl Names {
    /// The system's list, else the packaged copy alone.
    pub fn system() -> Self {
        PATHS
            .iter()
            .find_map(|path| std::fs::read(path).ok())
            .map_or_else(Self::packaged, |bytes| Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// The packaged copy alone.
    pub fn packaged() -> Self {
        Self::default()
    }

    /// A table read from the text of a `pci.ids`; lines that do not fit the format are passed over.
    pub fn parse(text: &str) -> Self {
        let mut names = Self::default();
        let (mut vendor, mut class) = (None, None);
        let mut device = None;
        for line in text.lines() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if let Some(child) = line.strip_prefix("\t\t") {
                let subsystem = child.split_once(' ').zip(vendor.zip(device));
                if let Some(((first, rest), (vendor, device))) = subsystem
                    && let Some(subvendor) = number(first, 4)
                    && let Some((subdevice, name)) = entry(rest, 4)
                {
                    names.subsystems.insert([vendor, device, subvendor, subdevice], name);
                }
                continue;
            }
            device = None;
            if let Some(child) = line.strip_prefix('\t') {
                if let (Some(vendor), Some((id, name))) = (vendor, entry(child, 4)) {
                    device = Some(id);
                    names.devices.insert((vendor, id), name);
                } else if let (Some(class), Some((id, name))) = (class, entry(child, 2)) {
                    names.subclasses.insert((class, id as u8), name);
                }
                continue;
            }
            (vendor, class) = (None, None);
            if let Some((id, name)) = line.strip_prefix("C ").and_then(|rest| entry(rest, 2)) {
                class = Some(id as u8);
                names.classes.insert(id as u8, name);
            } else if let Some((id, name)) = entry(line, 4) {
                vendor = Some(id);
                names.vendors.insert(id, name);
            }
        }
        names
    }

    /// The vendor's name.
    pub fn vendor(&self, vendor: u16) -> Option<&str> {
        self.vendors
            .get(&vendor)
            .map(String::as_str)
            .or_else(|| pci_ids::Vendor::from_id(vendor).map(pci_ids::Vendor::name))
    }

    /// The device's name, without its vendor's.
    pub fn device(&self, vendor: u16, device: u16) -> Option<&str> {
        self.devices
            .get(&(vendor, device))
            .map(String::as_str)
            .or_else(|| pci_ids::Device::from_vid_pid(vendor, device).map(pci_ids::Device::name))
    }

    /// The name of a subsystem of a device, else that of the subsystem's vendor.
    pub fn subsystem(&self, vendor: u16, device: u16, subvendor: u16, subdevice: u16) -> Option<&str> {
        let packaged = || {
            pci_ids::Device::from_vid_pid(vendor, device)?
                .subsystems()
                .find(|one| one.subvendor() == subvendor && one.subdevice() == subdevice)
                .map(|one| one.name())
        };
        self.subsystems
            .get(&[vendor, device, subvendor, subdevice])
            .map(String::as_str)
            .or_else(packaged)
            .or_else(|| self.vendor(subvendor))
    }

    /// The name of the sub-class, else of the base class.
    pub fn class(&self, class: ClassCode) -> Option<&str> {
        let ClassCode { base, sub, .. } = class;
        self.subclasses
            .get(&(base, sub))
            .map(String::as_str)
            .or_else(|| pci_ids::Subclass::from_cid_sid(base, sub).map(pci_ids::Subclass::name))
            .or_else(|| self.classes.get(&base).map(String::as_str))
            .or_else(|| pci_ids::Class::from_id(base).map(pci_ids::Class::name))
    }

    /// Vendor and device in words; numbers where there are none: `Intel Corporation [8086:ffff]`.
    pub fn describe(&self, vendor: u16, device: u16) -> String {
        match (self.vendor(vendor), self.device(vendor, device)) {
            (Some(maker), Some(name)) => format!("{maker} {name}"),
            (Some(maker), None) => format!("{maker} [{vendor:04x}:{device:04x}]"),
            (None, _) => format!("[{vendor:04x}:{device:04x}]"),
        }
    }
}

/// `ID  name`, where the ID has exactly `digits` hexadecimal digits.
fn entry(line: &str, digits: usize) -> Option<(u16, String)> {
    let (id, name) = line.split_once(char::is_whitespace)?;
    let name = name.trim();
    Some((number(id, digits)?, name.to_string())).filter(|_| !name.is_empty())
}

/// Exactly `digits` hexadecimal digits.
fn number(id: &str, digits: usize) -> Option<u16> {
    let hex = id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(id, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_good_lines_and_passes_over_bad_ones() {
        let names = Names::parse(
            "# comment\n1234  Teachers\n\t11e8  The device\n\t\t1af4 1100  A subsystem\nnonsense\n\t0001  Orphan\n\
             12345  Long\n8086\nC 02  Networks\n\t00  Wired\n\t\t01  Interface\nC zz  Bad\n\t01  Orphan\n\u{e9}\n",
        );
        assert_eq!(names.describe(0x1234, 0x11e8), "Teachers The device");
        assert_eq!(names.class(ClassCode::from_u24(0x020001)), Some("Wired"));
        assert_eq!((names.vendors.len(), names.devices.len(), names.subsystems.len()), (1, 1, 1));
        assert_eq!(names.subsystem(0x1234, 0x11e8, 0x1af4, 0x1100), Some("A subsystem"));
        assert_eq!((names.classes.len(), names.subclasses.len()), (1, 1));
    }

    #[test]
    fn the_packaged_copy_stands_behind() {
        let names = Names::packaged();
        assert!(names.describe(0x8086, 0x100e).contains("82540EM"));
        assert_eq!(names.class(ClassCode::from_u24(0x020000)), Some("Ethernet controller"));
        assert!(names.subsystem(0x8086, 0x100e, 0x8086, 0x001e).unwrap().contains("PRO/1000"));
        assert!(names.subsystem(0x8086, 0x100e, 0x1af4, 0x1100).unwrap().contains("QEMU"));
        assert!(names.subsystem(0xfee1, 0x0bad, 0x1af4, 0xfffe).unwrap().contains("Red Hat"));
        assert_eq!(names.describe(0xfee1, 0x0bad), "[fee1:0bad]");
    }
}
