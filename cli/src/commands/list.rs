//! `dirql list`: the PCI functions of the machine.

use dirql::host::{Function, Host};
use dirql::pci::Names;
use dirql::{Address, Code, Error};
use serde::Serialize;

use crate::device::driver_of;
use crate::output::{Outcome, Output};
use crate::table::Table;

/// What is listed of a function.
#[derive(Debug, Serialize)]
pub struct Listed {
    address: Address,
    vendor: String,
    device: String,
    class: String,
    class_name: Option<String>,
    name: String,
    /// Without its vendor's.
    device_name: Option<String>,
    kernel_names: Vec<String>,
    driver: Option<String>,
    /// Whether it is bound at each start.
    persistent: bool,
    iommu_group: Option<u32>,
    dirql_driver: Option<&'static str>,
    usable: bool,
    #[serde(skip)]
    needs_bind: bool,
    why_not: Option<String>,
}

impl Listed {
    /// What is to be said of the function.
    pub fn new(host: &Host, names: &Names, function: &Function) -> Self {
        let usability = host.usable(function);
        let class = function.class.to_string();
        Self {
            address: function.address,
            vendor: format!("{:04x}", function.vendor),
            device: format!("{:04x}", function.device),
            // The programming interface is of no use here.
            class: class.get(..4).unwrap_or(&class).to_string(),
            class_name: names.class(function.class).map(str::to_string),
            name: names.describe(function.vendor, function.device),
            device_name: names.device(function.vendor, function.device).map(str::to_string),
            kernel_names: function.kernel_names(),
            driver: function.driver.clone(),
            persistent: host.persistent_rule(function.address).is_some(),
            iommu_group: function.iommu_group,
            dirql_driver: driver_of(function).map(|driver| driver.name),
            usable: usability.is_usable(),
            needs_bind: usability.problem.as_ref().and_then(Error::catalogue_code) == Some(Code::E2)
                && !function.is_on_vfio(),
            why_not: usability.why_not(),
        }
    }
}

/// Prints the list.
pub fn list(host: &Host, output: &mut Output) -> Outcome {
    let listed = all(host)?;
    if output.is_json() {
        return output.document(&listed);
    }
    if listed.is_empty() {
        output.note("this machine shows no PCI function");
        return Ok(());
    }
    let width = output.width();
    output.text(&table(&listed, width).render(width))
}

fn all(host: &Host) -> dirql::Result<Vec<Listed>> {
    let names = Names::system();
    Ok(host.functions()?.iter().map(|function| Listed::new(host, &names, function)).collect())
}

/// Columns from which on a line has room for ids, and for why a function is not usable.
const WIDE: usize = 140;

fn table(listed: &[Listed], width: Option<usize>) -> Table {
    let is_wide = width.is_none_or(|width| width >= WIDE);
    let mut table = if is_wide {
        Table::new(&["ADDRESS", "ID", "CLASS", "NAME", "DRIVER", "GROUP", "DIRQL", "USABLE"])
    } else {
        Table::new(&["ADDRESS", "CLASS", "NAME", "DRIVER", "GROUP", "DIRQL", "USABLE"]).gives_way(2)
    };
    for one in listed {
        let mut cells = vec![one.address.to_string()];
        cells.extend(is_wide.then(|| format!("{}:{}", one.vendor, one.device)));
        cells.extend([one.class.clone(), one.shown_name(is_wide), one.shown_driver(is_wide)]);
        cells.push(or_dash(one.iommu_group.map(|group| group.to_string()).as_deref()));
        cells.extend([or_dash(one.dirql_driver), one.shown_usability(is_wide)]);
        table.row(cells);
    }
    table
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_string()
}

impl Listed {
    /// The vendor's name only where there is room for it.
    fn shown_name(&self, is_wide: bool) -> String {
        let short = self.device_name.as_ref().filter(|_| !is_wide);
        short.unwrap_or(&self.name).clone()
    }

    fn shown_driver(&self, is_wide: bool) -> String {
        let for_good = if is_wide && self.persistent { ", at each start" } else { "" };
        format!("{}{for_good}", or_dash(self.driver.as_deref()))
    }

    fn shown_usability(&self, is_wide: bool) -> String {
        match &self.why_not {
            _ if self.usable => "yes".into(),
            // Nothing stands in the way but the driver that has it.
            _ if self.needs_bind && is_wide => "after dirql bind".into(),
            _ if self.needs_bind => "if bound".into(),
            Some(why) if is_wide => format!("no: {why}"),
            _ => "no".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A machine with one function on its kernel driver.
    fn machine(root: &Path) {
        let devices = root.join("sys/bus/pci/devices/0000:00:03.0");
        let group = root.join("sys/kernel/iommu_groups/3/devices");
        fs::create_dir_all(&devices).unwrap();
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("0000:00:03.0"), "").unwrap();
        for (file, text) in [("vendor", "0x8086"), ("device", "0x100e"), ("class", "0x020000")] {
            fs::write(devices.join(file), format!("{text}\n")).unwrap();
        }
        std::os::unix::fs::symlink("../../../../bus/pci/drivers/e1000", devices.join("driver")).unwrap();
        std::os::unix::fs::symlink("../../../../kernel/iommu_groups/3", devices.join("iommu_group")).unwrap();
    }

    #[test]
    fn the_document_has_its_fields() {
        let root = tempfile::tempdir().unwrap();
        machine(root.path());
        let listed = all(&Host::at(root.path())).unwrap();
        let document = serde_json::to_value(&listed).unwrap();
        let one = &document.as_array().unwrap()[0];
        let keys: Vec<_> = one.as_object().unwrap().keys().map(String::as_str).collect();
        for key in [
            "address",
            "vendor",
            "device",
            "class",
            "class_name",
            "name",
            "device_name",
            "kernel_names",
            "driver",
            "iommu_group",
            "dirql_driver",
            "usable",
            "why_not",
        ] {
            assert!(keys.contains(&key), "{key}");
        }
        assert_eq!((one["vendor"].as_str(), one["device"].as_str()), (Some("8086"), Some("100e")));
        assert_eq!((one["class"].as_str(), one["driver"].as_str()), (Some("0200"), Some("e1000")));
        assert_eq!((one["iommu_group"].as_u64(), one["usable"].as_bool()), (Some(3), Some(false)));
        assert!(one["why_not"].as_str().unwrap().contains("e1000"));
        let text = table(&listed, None).render(None);
        assert!(text.contains("8086:100e") && text.contains("after dirql bind"), "{text}");
        // On a usual terminal nothing is cut but the name.
        let text = table(&listed, Some(80)).render(Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().next().unwrap().ends_with("USABLE"), "{text}");
        let line = text.lines().nth(1).unwrap();
        for words in ["0000:00:03.0  0200   82540EM", "e1000", "  3 ", "if bound"] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }

    #[test]
    fn a_machine_without_pci_is_an_empty_array() {
        let root = tempfile::tempdir().unwrap();
        let document = serde_json::to_string(&all(&Host::at(root.path())).unwrap()).unwrap();
        assert_eq!(document, "[]");
    }
}
