//! `dirql info BDF`: everything that is known of a device, as far as this user may see it.

mod capability;
mod config;
mod facts;
mod group;
mod opened;
mod page;

use std::path::PathBuf;

use dirql::backend::IrqIndex;
use dirql::host::{Function, Host};
use dirql::pci::{ConfigSpace, Names};
use dirql::{Error, Result};
use serde_json::{Value, json};

use self::facts::Facts;
use self::opened::Opened;
use self::page::Page;
use crate::args::Target;
use crate::confine::Needs;
use crate::device::{driver_of, open_unheld};
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
    facts: Facts,
    /// The rule by which it is bound at each start.
    persistent_rule: Option<PathBuf>,
    group: Option<group::Known>,
    /// The configuration space, and what showed it: sysfs where it shows all, VFIO where the device can be opened.
    config: Result<(ConfigSpace, &'static str)>,
    /// What VFIO says, or why it cannot be asked.
    opened: Result<Opened>,
}

impl Known {
    fn of(host: &Host, function: Function) -> Result<Self> {
        let names = Names::system();
        // All that sysfs says is read before the device is opened: that resets it, and makes this process a holder.
        let facts = Facts::of(host, &function, &names);
        let group = function.iommu_group.map(|number| group::Known::of(host, number)).transpose()?;
        let persistent_rule = host.persistent_rule(function.address);
        let seen = function.config();
        // A device that cannot be opened is not even tried: the reason is known.
        let opened = host
            .usable(&function)
            .problem
            .map_or_else(|| open_unheld(&function, &Needs::default()), Err)
            .and_then(|device| Opened::of(&device));
        let config = match (seen, &opened) {
            // VFIO hides some capabilities and keeps some registers to itself: sysfs is what the device says.
            (Ok(seen), _) if !seen.is_header_only() => Ok((seen, "sysfs")),
            (_, Ok(Opened { config: Ok(config), .. })) => Ok((config.clone(), "VFIO")),
            (seen, _) => seen.map(|seen| (seen, "sysfs")),
        };
        Ok(Self { names, function, facts, persistent_rule, group, config, opened })
    }

    fn subsystem(&self) -> Option<&str> {
        let f = &self.function;
        self.names.subsystem(f.vendor, f.device, f.subsystem_vendor, f.subsystem_device)
    }

    /// How many vectors each mode has, as far as it can be seen: INTx, MSI, MSI-X.
    fn vectors(&self) -> Option<[u32; 3]> {
        match (&self.opened, &self.config) {
            (Ok(opened), _) => {
                Some([IrqIndex::Intx, IrqIndex::Msi, IrqIndex::Msix].map(|index| opened.vectors(index)))
            }
            (Err(_), Ok((config, _))) if !config.is_header_only() => Some([
                u32::from(config.interrupt_pin() != 0),
                config.msi().map_or(0, |msi| msi.vectors.into()),
                config.msix().map_or(0, |msix| msix.table_size.into()),
            ]),
            _ => None,
        }
    }

    fn document(&self) -> Value {
        let f = &self.function;
        let mut document = json!({
            "address": f.address,
            "vendor": format!("{:04x}", f.vendor),
            "device": format!("{:04x}", f.device),
            "subsystem_vendor": format!("{:04x}", f.subsystem_vendor),
            "subsystem_device": format!("{:04x}", f.subsystem_device),
            "revision": format!("{:02x}", f.revision),
            "class": f.class.to_string(),
            "name": self.names.describe(f.vendor, f.device),
            "vendor_name": self.names.vendor(f.vendor),
            "device_name": self.names.device(f.vendor, f.device),
            "subsystem_name": self.subsystem(),
            "class_name": self.names.class(f.class),
            "driver": f.driver,
            "module": f.module(),
            "driver_override": f.driver_override(),
            "persistent_rule": self.persistent_rule,
            "dirql_driver": driver_of(f).map(|driver| driver.name),
            "kernel_names": f.kernel_names(),
            "boot_display": f.is_boot_display,
            "numa_node": f.numa_node,
            "reset_methods": f.reset_methods(),
            "vectors": self.vectors().map(|[intx, msi, msix]| json!({ "intx": intx, "msi": msi, "msix": msix })),
            "iommu_group": self.group.as_ref().map(group::Known::document),
            "config": self.config.as_ref().ok().map(|(config, source)| config::document(config, source, f)),
            "usable": self.opened.is_ok(),
            "why_not": self.opened.as_ref().err().and_then(why),
            "vfio": self.opened.as_ref().ok().map(Opened::document),
        });
        self.facts.document(f, &mut document);
        document
    }

    fn text(&self, heading: &dyn Fn(&str) -> String) -> String {
        let f = &self.function;
        let mut page = Page::new(heading);
        page.heading(&f.address.to_string(), &self.names.describe(f.vendor, f.device));
        page.line("ids", format!("{:04x}:{:04x}, revision {:02x}", f.vendor, f.device, f.revision));
        if (f.subsystem_vendor, f.subsystem_device) != (0, 0) {
            let ids = format!("{:04x}:{:04x}", f.subsystem_vendor, f.subsystem_device);
            page.line("subsystem", format!("{ids} {}", self.subsystem().unwrap_or_default()));
        }
        page.line("class", format!("{} {}", f.class, self.names.class(f.class).unwrap_or("")));
        let driver = f.driver.clone().unwrap_or_else(|| "none".into());
        let module = f.module().map_or_else(String::new, |module| format!(", module {module}"));
        page.line("driver", format!("{driver}{module}"));
        page.optional("override", f.driver_override());
        page.optional("at each start", self.persistent_rule.as_ref().map(|rule| rule.to_string_lossy()));
        page.line("dirql driver", driver_of(f).map_or("none", |driver| driver.name));
        for (name, values) in [("known as", f.kernel_names()), ("reset methods", f.reset_methods())] {
            page.optional(name, (!values.is_empty()).then(|| values.join(", ")));
        }
        self.facts.text(&mut page, f);
        page.optional(
            "vectors",
            self.vectors().map(|[intx, msi, msix]| format!("INTx {intx}, MSI {msi}, MSI-X {msix}")),
        );
        if let Some(group) = &self.group {
            group.text(&mut page, f);
        }
        Facts::regions_text(&mut page, f);
        match &self.config {
            Ok((config, source)) => config::text(&mut page, config, source, f),
            Err(error) => {
                page.heading("Configuration space", "");
                page.sentence(2, &format!("not readable: {}", sentence(error)));
            }
        }
        page.heading("VFIO", "");
        match &self.opened {
            Ok(opened) => opened.text(&mut page),
            Err(error) => page.sentence(2, &format!("not usable: {}", sentence(error))),
        }
        page.text()
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
mod tests;
