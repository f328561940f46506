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
    name: String,
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
            name: names.describe(function.vendor, function.device),
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

fn table(listed: &[Listed], width: Option<usize>) -> Table {
    let mut table = Table::new(&["ADDRESS", "ID", "CLASS", "NAME", "DRIVER", "GROUP", "DIRQL", "USABLE"]);
    if let Some(width) = width {
        table = table.at_most(3, (width / 4).max(12));
    }
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_string();
    for one in listed {
        table.row([
            one.address.to_string(),
            format!("{}:{}", one.vendor, one.device),
            one.class.clone(),
            one.name.clone(),
            format!(
                "{}{}",
                or_dash(one.driver.as_deref()),
                if one.persistent { ", at each start" } else { "" }
            ),
            or_dash(one.iommu_group.map(|group| group.to_string()).as_deref()),
            or_dash(one.dirql_driver),
            match (one.usable, &one.why_not) {
                (true, _) => "yes".into(),
                // Nothing stands in the way but the driver that has it.
                (false, _) if one.needs_bind => "after dirql bind".into(),
                (false, Some(why)) => format!("no: {why}"),
                (false, None) => "no".into(),
            },
        ]);
    }
    table
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
        for key in ["address", "vendor", "device", "class", "name", "driver", "iommu_group", "dirql_driver"] {
            assert!(keys.contains(&key), "{key}");
        }
        assert_eq!((one["vendor"].as_str(), one["device"].as_str()), (Some("8086"), Some("100e")));
        assert_eq!((one["class"].as_str(), one["driver"].as_str()), (Some("0200"), Some("e1000")));
        assert_eq!((one["iommu_group"].as_u64(), one["usable"].as_bool()), (Some(3), Some(false)));
        assert!(one["why_not"].as_str().unwrap().contains("e1000"));
        let text = table(&listed, None).render(None);
        assert!(text.contains("8086:100e") && text.contains("after dirql bind"), "{text}");
    }

    #[test]
    fn a_machine_without_pci_is_an_empty_array() {
        let root = tempfile::tempdir().unwrap();
        let document = serde_json::to_string(&all(&Host::at(root.path())).unwrap()).unwrap();
        assert_eq!(document, "[]");
    }
}
