//! `dirql info BDF`: everything that is known of a device, as far as this user may see it.

mod config;
mod opened;

use std::fmt::Write as _;

use dirql::host::{Function, Group, Host};
use dirql::pci::{ConfigSpace, Names};
use dirql::{Device, Error, Result};
use serde_json::{Value, json};

use self::opened::Opened;
use crate::args::Target;
use crate::device::driver_of;
use crate::output::{Colour, Outcome, Output};

/// Prints what there is to know.
pub fn info(host: &Host, target: &Target, output: &mut Output) -> Outcome {
    let function = host.resolve(&target.device)?;
    let known = Known::of(host, function)?;
    if output.is_json() {
        return output.document(&known.document());
    }
    output.text(&known.text(&|heading| output.paint(Colour::Bold, heading)))
}

/// What is known of a device.
struct Known {
    function: Function,
    names: Names,
    group: Option<Group>,
    node: Option<String>,
    /// The configuration space, by VFIO where the device can be opened, else by sysfs.
    config: Result<ConfigSpace>,
    /// What VFIO says, or why it cannot be asked.
    opened: Result<Opened>,
}

impl Known {
    fn of(host: &Host, function: Function) -> Result<Self> {
        let group = function.iommu_group.map(|number| host.group(number)).transpose()?;
        let node = group.as_ref().and_then(|group| host.node(group)).map(|node| node.ownership());
        // A device that cannot be opened is not even tried: the reason is known.
        let opened = host
            .usable(&function)
            .problem
            .map_or_else(|| Device::open(function.address).and_then(|device| Opened::of(&device)), Err);
        let config = match &opened {
            Ok(Opened { config: Ok(config), .. }) => Ok(config.clone()),
            _ => function.config(),
        };
        Ok(Self { names: Names::system(), function, group, node, config, opened })
    }

    fn document(&self) -> Value {
        let f = &self.function;
        json!({
            "address": f.address,
            "vendor": format!("{:04x}", f.vendor),
            "device": format!("{:04x}", f.device),
            "subsystem_vendor": format!("{:04x}", f.subsystem_vendor),
            "subsystem_device": format!("{:04x}", f.subsystem_device),
            "revision": format!("{:02x}", f.revision),
            "class": f.class.to_string(),
            "name": self.names.describe(f.vendor, f.device),
            "class_name": self.names.class(f.class),
            "driver": f.driver,
            "driver_override": f.driver_override(),
            "dirql_driver": driver_of(f).map(|driver| driver.name),
            "kernel_names": f.kernel_names(),
            "numa_node": f.numa_node,
            "reset_methods": f.reset_methods(),
            "iommu_group": self.group.as_ref().map(|group| json!({
                "number": group.number,
                "node": group.node,
                "node_owner": self.node,
                "members": group.members.iter().map(|member| json!({
                    "address": member.address,
                    "driver": member.driver,
                    "blocking": member.is_blocking(),
                })).collect::<Vec<_>>(),
            })),
            "config": self.config.as_ref().ok().map(|config| config::document(config, f)),
            "usable": self.opened.is_ok(),
            "why_not": self.opened.as_ref().err().and_then(why),
            "vfio": self.opened.as_ref().ok().map(Opened::document),
        })
    }

    fn text(&self, heading: &dyn Fn(&str) -> String) -> String {
        let f = &self.function;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<14}{value}");
        };
        let ids = format!("{:04x}:{:04x}", f.vendor, f.device);
        line(
            "ids",
            format!(
                "{ids}, subsystem {:04x}:{:04x}, revision {:02x}",
                f.subsystem_vendor, f.subsystem_device, f.revision
            ),
        );
        line("class", format!("{} {}", f.class, self.names.class(f.class).unwrap_or("")));
        line("driver", f.driver.clone().unwrap_or_else(|| "none".into()));
        if let Some(driver) = &f.driver_override() {
            line("override", driver.clone());
        }
        line("dirql driver", driver_of(f).map_or("none", |driver| driver.name).into());
        for (name, values) in [("known as", f.kernel_names()), ("reset methods", f.reset_methods())] {
            if !values.is_empty() {
                line(name, values.join(", "));
            }
        }
        if let Some(node) = f.numa_node {
            line("NUMA node", node.to_string());
        }
        let mut text = format!(
            "{}\n{text}",
            heading(&format!("{}  {}", f.address, self.names.describe(f.vendor, f.device)))
        );
        self.group_text(&mut text, heading);
        match &self.config {
            Ok(config) => config::text(&mut text, config, f, heading),
            Err(error) => {
                let _ = writeln!(
                    text,
                    "\n{}\n  not readable: {}",
                    heading("Configuration space"),
                    sentence(error)
                );
            }
        }
        let _ = writeln!(text, "\n{}", heading("VFIO"));
        match &self.opened {
            Ok(opened) => opened.text(&mut text),
            Err(error) => {
                let _ = writeln!(text, "  not usable: {}", sentence(error));
            }
        }
        text
    }

    fn group_text(&self, text: &mut String, heading: &dyn Fn(&str) -> String) {
        let Some(group) = &self.group else { return };
        let owner = self.node.as_ref().map_or_else(String::new, |owner| format!(", {owner}"));
        let title = heading(&format!("IOMMU group {}", group.number));
        let _ = writeln!(text, "\n{title}  {}{owner}", group.node.display());
        for member in &group.members {
            let blocking = if member.is_blocking() { "  keeps the group from being used" } else { "" };
            let driver = member.driver.as_deref().unwrap_or("no driver");
            let _ = writeln!(text, "  {}  {driver}{blocking}", member.address);
        }
    }
}

fn why(error: &Error) -> Option<String> {
    error.to_json()["error"]["why"].as_str().map(str::to_string)
}

/// The cause alone, where there is one.
fn sentence(error: &Error) -> String {
    let code = error.catalogue_code().map_or_else(String::new, |code| format!(" (dirql explain {code})"));
    format!("{}{code}", why(error).unwrap_or_else(|| error.to_string()))
}

fn hex(value: impl std::fmt::LowerHex) -> String {
    format!("{value:#x}")
}

/// A size, in the largest unit in which it is whole.
fn bytes(size: u64) -> String {
    let (mut size, mut unit) = (size, 0);
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    while size >= 1024 && size.is_multiple_of(1024) && unit < UNITS.len() - 1 {
        (size, unit) = (size / 1024, unit + 1);
    }
    format!("{size} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole() {
        let shown: Vec<_> = [0, 64, 1024, 1536, 131_072, 1 << 40, u64::MAX].into_iter().map(bytes).collect();
        assert_eq!(shown[..5], ["0 bytes", "64 bytes", "1 KiB", "1536 bytes", "128 KiB"]);
        assert_eq!((shown[5].as_str(), shown[6].as_str()), ("1 TiB", "18446744073709551615 bytes"));
    }

    /// Whatever functions this machine has, none may make it fail.
    #[test]
    fn describes_every_function_of_this_machine() {
        let host = Host::system();
        for function in host.functions().unwrap_or_default() {
            if function.is_on_vfio() {
                continue;
            }
            let known = Known::of(&host, function).unwrap();
            assert!(known.text(&str::to_string).contains("Configuration space"));
            assert!(known.document()["address"].is_string());
        }
    }
}
