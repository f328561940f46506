//! `dirql info BDF`: everything that is known of a device, as far as this user may see it.

use std::fmt::Write as _;

use dirql::backend::{IrqIndex, RegionIndex};
use dirql::host::{Function, Group, Host};
use dirql::pci::{Bar, Command, ConfigSpace, Names};
use dirql::{Device, Error, Result};
use serde_json::{Value, json};

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

/// What VFIO says of a device.
struct Opened {
    regions: Vec<Value>,
    interrupts: Vec<(IrqIndex, dirql::backend::IrqInfo)>,
    iommu: dirql::backend::IommuInfo,
    resettable: bool,
    config: Result<ConfigSpace>,
}

impl Known {
    fn of(host: &Host, function: Function) -> Result<Self> {
        let group = function.iommu_group.map(|number| host.group(number)).transpose()?;
        let node = group.as_ref().and_then(|group| host.node(group)).map(|node| node.ownership());
        // A device that cannot be opened is not even tried: the reason is known.
        let opened = host.usable(&function).problem.map_or_else(|| Opened::open(&function), Err);
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
            "driver_override": f.driver_override,
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
            "config": self.config.as_ref().ok().map(|config| config_document(config, f)),
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
        if let Some(driver) = &f.driver_override {
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
            Ok(config) => config_text(&mut text, config, f, heading),
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

/// The BARs, without the upper halves of those with 64 bits.
fn bars(config: &ConfigSpace) -> Vec<(u8, Bar)> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < 6 {
        if let Some(bar) = config.bar(index) {
            found.push((index, bar));
            index += u8::from(matches!(bar, Bar::Memory { is_64_bit: true, .. }));
        }
        index += 1;
    }
    found
}

const COMMAND_BITS: [(Command, &str); 4] = [
    (Command::IO_SPACE, "I/O space"),
    (Command::MEMORY_SPACE, "memory space"),
    (Command::BUS_MASTER, "bus master"),
    (Command::INTX_DISABLE, "INTx disabled"),
];

fn config_document(config: &ConfigSpace, function: &Function) -> Value {
    let sizes = function.bar_sizes();
    let bars = bars(config).into_iter().map(|(index, bar)| match bar {
        Bar::Io { port } => {
            json!({ "index": index, "kind": "io", "address": hex(port), "size": sizes[usize::from(index)] })
        }
        Bar::Memory { address, is_64_bit, prefetchable } => json!({
            "index": index,
            "kind": "memory",
            "address": hex(address),
            "size": sizes[usize::from(index)],
            "is_64_bit": is_64_bit,
            "prefetchable": prefetchable,
        }),
    });
    let listed =
        config.capabilities().map(|c| json!({ "offset": hex(c.offset), "id": hex(c.id), "name": c.name() }));
    let extended = config
        .extended_capabilities()
        .map(|c| json!({ "offset": hex(c.offset), "id": hex(c.id), "version": c.version, "name": c.name() }));
    json!({
        "bytes": config.as_bytes().len(),
        "command": hex(config.command().bits()),
        "status": hex(config.status()),
        "header_type": config.header_type(),
        "interrupt_pin": config.interrupt_pin(),
        "bars": bars.collect::<Vec<_>>(),
        "capabilities": listed.collect::<Vec<_>>(),
        "extended_capabilities": extended.collect::<Vec<_>>(),
        "msi_vectors": config.msi().map(|msi| msi.vectors),
        "msix_vectors": config.msix().map(|msix| msix.table_size),
    })
}

fn config_text(
    text: &mut String,
    config: &ConfigSpace,
    function: &Function,
    heading: &dyn Fn(&str) -> String,
) {
    let _ = writeln!(text, "\n{}  {} bytes", heading("Configuration space"), config.as_bytes().len());
    let command = config.command();
    let set: Vec<_> =
        COMMAND_BITS.iter().filter(|(bit, _)| command.contains(*bit)).map(|(_, name)| *name).collect();
    let _ = writeln!(text, "  {:<14}{:#06x}  {}", "command", command.bits(), set.join(", "));
    let _ = writeln!(text, "  {:<14}{:#06x}", "status", config.status());
    let pin = match config.interrupt_pin() {
        0 => "none".to_string(),
        pin @ 1..=4 => format!("INT{}", char::from(b'A' + (pin - 1))),
        pin => format!("unknown ({pin})"),
    };
    let _ = writeln!(text, "  {:<14}{pin}", "interrupt pin");
    let sizes = function.bar_sizes();
    for (index, bar) in bars(config) {
        let size = bytes(sizes[usize::from(index)]);
        let name = format!("BAR {index}");
        let _ = match bar {
            Bar::Io { port } => writeln!(text, "  {name:<14}I/O ports from {port:#x}, {size}"),
            Bar::Memory { address, is_64_bit, prefetchable } => writeln!(
                text,
                "  {name:<14}memory at {address:#x}, {size}, {} bits{}",
                if is_64_bit { 64 } else { 32 },
                if prefetchable { ", prefetchable" } else { "" }
            ),
        };
    }
    if config.is_header_only() {
        let _ = writeln!(text, "  capabilities are shown to root, or once the device is usable");
        return;
    }
    for capability in config.capabilities() {
        let detail = match capability.id {
            0x01 => config.power_management().map(|pm| format!("D{}", pm.state)),
            0x05 => config.msi().map(|msi| format!("{} vectors", msi.vectors)),
            0x10 => config.express().map(|e| {
                format!(
                    "payload up to {} bytes{}",
                    e.max_payload_supported,
                    if e.function_level_reset { ", FLR" } else { "" }
                )
            }),
            0x11 => config
                .msix()
                .map(|msix| format!("{} vectors, table in BAR {}", msix.table_size, msix.table_bir)),
            _ => None,
        };
        let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
        let _ = writeln!(
            text,
            "  [{:02x}] {:02x}       {}{detail}",
            capability.offset,
            capability.id,
            capability.name()
        );
    }
    for capability in config.extended_capabilities() {
        let _ = writeln!(
            text,
            "  [{:03x}] {:04x} v{}  {}",
            capability.offset,
            capability.id,
            capability.version,
            capability.name()
        );
    }
}

const INTERRUPTS: [IrqIndex; 5] =
    [IrqIndex::Intx, IrqIndex::Msi, IrqIndex::Msix, IrqIndex::Error, IrqIndex::Request];

impl Opened {
    fn open(function: &Function) -> Result<Self> {
        let device = Device::open(function.address)?;
        let backend = device.backend();
        let mut regions = Vec::new();
        for index in (0..=7).map(RegionIndex) {
            let info = backend.region(index)?;
            if info.len > 0 {
                let windows =
                    info.mappable.iter().map(|window| json!({ "offset": window.offset, "len": window.len }));
                regions.push(json!({
                    "index": index.0,
                    "name": index.name(),
                    "len": info.len,
                    "readable": info.readable,
                    "writable": info.writable,
                    "mappable": windows.collect::<Vec<_>>(),
                }));
            }
        }
        // Not every kernel knows every index.
        let interrupts = INTERRUPTS
            .into_iter()
            .filter_map(|index| Some((index, backend.irq(index).ok()?)))
            .filter(|(_, info)| info.count > 0)
            .collect();
        Ok(Self {
            regions,
            interrupts,
            iommu: backend.iommu()?,
            resettable: backend.resettable(),
            config: device.config().snapshot(),
        })
    }

    fn document(&self) -> Value {
        let ranges = self
            .iommu
            .ranges
            .iter()
            .map(|range| json!({ "first": hex(*range.start()), "last": hex(*range.end()) }));
        let interrupts = self.interrupts.iter().map(|(index, info)| {
            json!({
                "index": index.to_string(),
                "count": info.count,
                "maskable": info.maskable,
                "automasked": info.automasked,
                "noresize": info.noresize,
            })
        });
        json!({
            "regions": self.regions,
            "interrupts": interrupts.collect::<Vec<_>>(),
            "iova_ranges": ranges.collect::<Vec<_>>(),
            "page_sizes": page_sizes(self.iommu.page_sizes).collect::<Vec<_>>(),
            "mappings_left": self.iommu.mappings_left,
            "resettable": self.resettable,
        })
    }

    fn text(&self, text: &mut String) {
        for region in &self.regions {
            let flag = |name: &str, letter| if region[name] == true { letter } else { '-' };
            let windows = region["mappable"].as_array().map_or(0, Vec::len);
            let way = if windows > 0 { "mapped" } else { "by calls" };
            let name = region["name"].as_str().unwrap_or_default();
            let _ = writeln!(
                text,
                "  {name:<20}  {}{}  {way:<8}  {}",
                flag("readable", 'r'),
                flag("writable", 'w'),
                bytes(region["len"].as_u64().unwrap_or(0))
            );
        }
        for (index, info) in &self.interrupts {
            let flags = [
                (info.maskable, "maskable"),
                (info.automasked, "masked when it fires"),
                (info.noresize, "set once"),
            ];
            let flags: Vec<_> = flags.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
            let plural = if info.count == 1 { "" } else { "s" };
            let _ = writeln!(
                text,
                "  {:<20}  {} vector{plural}  {}",
                index.to_string(),
                info.count,
                flags.join(", ")
            );
        }
        for range in &self.iommu.ranges {
            let _ = writeln!(text, "  {:<20}  {:#x} to {:#x}", "IOVA", range.start(), range.end());
        }
        let sizes: Vec<_> = page_sizes(self.iommu.page_sizes).map(bytes).collect();
        if !sizes.is_empty() {
            let _ = writeln!(text, "  {:<20}  {}", "pages", sizes.join(", "));
        }
        let _ = writeln!(text, "  {:<20}  {}", "mappings left", self.iommu.mappings_left);
        let _ = writeln!(text, "  {:<20}  {}", "reset", if self.resettable { "yes" } else { "no" });
    }
}

/// The sizes that the IOMMU reports one by one; it may report every size, as type 1 does, and then the smallest says it.
fn page_sizes(bits: u64) -> impl Iterator<Item = u64> {
    (0..64).map(|bit| 1_u64 << bit).filter(move |size| bits & size != 0).take(4)
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

    #[test]
    fn the_upper_half_of_a_bar_is_none() {
        let mut config = vec![0; 64];
        config[0x10..0x18].copy_from_slice(&[0x0c, 0, 0, 0xfe, 1, 0, 0, 0]);
        config[0x18..0x1c].copy_from_slice(&0xc001_u32.to_le_bytes());
        let found = bars(&ConfigSpace::new(config).unwrap());
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
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
