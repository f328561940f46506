//! What sysfs says of a function besides its identity.

use dirql::host::{Function, Host, KernelInterrupts, Link, Power, VirtualFunctions};
use dirql::pci::{Address, ConfigSpace, FieldValue, Names};
use serde_json::{Value, json};

use super::bytes;
use super::page::Page;

/// A port between the root complex and the function.
struct Port {
    address: Address,
    name: String,
    /// `root port`, `downstream port`… where the configuration space may be read.
    kind: Option<String>,
    /// The access controls that are on; `None` where it has none or this user may not see it.
    acs: Option<Vec<&'static str>>,
}

/// What sysfs says of a function.
pub struct Facts {
    power: Power,
    link: Option<Link>,
    /// Why the link is below what it can do.
    downgraded: Option<String>,
    slot: Option<String>,
    ports: Vec<Port>,
    sriov: Option<VirtualFunctions>,
    interrupts: Option<KernelInterrupts>,
}

impl Facts {
    /// Reads them.
    pub fn of(host: &Host, function: &Function, names: &Names) -> Self {
        let ports: Vec<Function> =
            function.ports().into_iter().filter_map(|address| host.function(address).ok()).collect();
        let link = function.link();
        let above = ports.last().and_then(Function::link);
        Self {
            power: function.power(),
            downgraded: link.as_ref().and_then(|link| link.why_downgraded(above.as_ref())),
            link,
            slot: host.slot(function),
            ports: ports.iter().map(|port| Port::of(port, names)).collect(),
            sriov: function.sriov(),
            interrupts: function.kernel_interrupts(),
        }
    }

    /// Adds their keys to the document.
    pub fn document(&self, function: &Function, document: &mut Value) {
        let power = &self.power;
        document["power"] = json!({
            "state": power.state,
            "runtime_status": power.runtime_status,
            "runtime_control": power.runtime_control,
            "d3cold_allowed": power.d3cold_allowed,
        });
        document["link"] = json!(self.link.as_ref().map(|link| json!({
            "speed": link.speed,
            "width": link.width,
            "max_speed": link.max_speed,
            "max_width": link.max_width,
            "downgraded": link.is_downgraded(),
            "why_downgraded": self.downgraded,
        })));
        document["slot"] = json!(self.slot);
        let ports = self.ports.iter().map(
            |port| json!({ "address": port.address, "name": port.name, "type": port.kind, "acs": port.acs }),
        );
        document["ports"] = json!(ports.collect::<Vec<_>>());
        document["sriov"] = json!(self.sriov.as_ref().map(|sriov| json!({
            "total": sriov.total,
            "enabled": sriov.functions.len(),
            "functions": sriov.functions,
        })));
        document["physical_function"] = json!(function.physical_function());
        document["kernel_interrupts"] =
            json!(self.interrupts.as_ref().map(|one| json!({ "mode": one.mode, "numbers": one.numbers })));
        let regions = function.resources().into_iter().map(|one| {
            json!({
                "index": one.index,
                "name": one.name,
                "kind": if one.is_io { "io" } else { "memory" },
                "address": one.start.map(super::hex),
                "size": one.len,
                "prefetchable": one.is_prefetchable,
                "is_64_bit": one.is_64_bit,
            })
        });
        document["regions"] = json!(regions.collect::<Vec<_>>());
        document["local_cpus"] = json!(function.local_cpus());
        document["dma_mask_bits"] = json!(function.dma_mask_bits());
        document["iommu"] =
            json!(function.iommu().map(|name| json!({ "name": name, "kind": kind_of(&name) })));
    }

    /// Their lines.
    pub fn text(&self, page: &mut Page<'_>, function: &Function) {
        self.place(page, function);
        let power: Vec<String> = [
            self.power.state.clone(),
            self.power.runtime_status.as_ref().map(|status| format!("runtime {status}")),
            self.power
                .d3cold_allowed
                .map(|on| format!("D3cold {}", if on { "allowed" } else { "forbidden" })),
        ]
        .into_iter()
        .flatten()
        .collect();
        page.optional("power", (!power.is_empty()).then(|| power.join(", ")));
        if let Some(link) = &self.link {
            let now = format!("{} x{}", link.speed, link.width);
            page.line(
                "link",
                match &self.downgraded {
                    None => format!("{now}, the most it can do"),
                    Some(why) => format!("{now} of {} x{}: {why}", link.max_speed, link.max_width),
                },
            );
        }
        if let Some(sriov) = &self.sriov {
            let functions: Vec<_> = sriov.functions.iter().map(Address::to_string).collect();
            let on = if functions.is_empty() { String::new() } else { format!(": {}", functions.join(", ")) };
            page.line("SR-IOV", format!("{} of {} virtual functions on{on}", functions.len(), sriov.total));
        }
        page.optional("SR-IOV", function.physical_function().map(|of| format!("a virtual function of {of}")));
        page.optional("DMA mask", function.dma_mask_bits().map(|bits| format!("{bits} bits, by the kernel")));
        page.optional(
            "interrupts",
            self.interrupts.as_ref().map(|one| {
                let numbers: Vec<_> = one.numbers.iter().map(ToString::to_string).collect();
                format!("{} now, numbers {}", one.mode, numbers.join(", "))
            }),
        );
    }

    /// The way to it, and what is near.
    fn place(&self, page: &mut Page<'_>, function: &Function) {
        let mut way: Vec<String> = self
            .ports
            .iter()
            .map(|port| match &port.kind {
                Some(kind) => format!("{} ({kind})", port.address),
                None => port.address.to_string(),
            })
            .collect();
        if !way.is_empty() {
            way.push(function.address.to_string());
            page.line("behind", way.join(" → "));
        }
        for port in &self.ports {
            let on = match &port.acs {
                Some(on) if on.is_empty() => "all off".to_string(),
                Some(on) => on.join(", "),
                None => continue,
            };
            page.line("ACS", format!("{}: {on}", port.address));
        }
        page.optional("slot", self.slot.as_ref());
        page.optional("NUMA node", function.numa_node.map(|node| node.to_string()));
        page.optional("local CPUs", function.local_cpus());
    }

    /// Where the function is to be seen, for one whose device is not open.
    pub fn regions_text(page: &mut Page<'_>, function: &Function) {
        let regions = function.resources();
        if regions.is_empty() {
            return;
        }
        page.heading("Regions", "");
        for one in regions {
            let place = one.start.map_or_else(|| "no address".to_string(), |start| format!("at {start:#x}"));
            let kind = if one.is_io { "I/O ports" } else { "memory" };
            let width = if one.is_64_bit { ", 64 bits" } else { "" };
            let prefetchable = if one.is_prefetchable { ", prefetchable" } else { "" };
            page.line(&one.name, format!("{:<9}  {kind} {place}{width}{prefetchable}", bytes(one.len)));
        }
    }
}

impl Port {
    fn of(port: &Function, names: &Names) -> Self {
        let config = port.config().ok();
        Self {
            address: port.address,
            name: names.describe(port.vendor, port.device),
            kind: config.as_ref().and_then(kind),
            acs: config.as_ref().and_then(acs),
        }
    }
}

/// The type of a port.
fn kind(config: &ConfigSpace) -> Option<String> {
    let capability = config.capabilities().find(|one| one.id == 0x10)?;
    let decoded = config.decode(capability);
    match &decoded.parts.first()?.fields.first()?.value {
        FieldValue::Text(kind) => Some(kind.clone()),
        _ => None,
    }
}

/// The access controls that are on.
fn acs(config: &ConfigSpace) -> Option<Vec<&'static str>> {
    let capability = config.extended_capabilities().find(|one| one.id == 0x000d)?;
    let decoded = config.decode_extended(capability);
    let enabled = decoded.parts.first()?.fields.iter().find(|field| field.name == "enabled")?;
    match &enabled.value {
        FieldValue::Set(names) => Some(names.clone()),
        _ => None,
    }
}

/// What kind of IOMMU it is, by the name that its driver gives it.
pub fn kind_of(name: &str) -> Option<&'static str> {
    [
        ("dmar", "Intel VT-d"),
        ("ivhd", "AMD-Vi"),
        ("smmu3", "Arm SMMUv3"),
        ("smmu", "Arm SMMU"),
        ("riscv-iommu", "RISC-V IOMMU"),
        ("virtio", "virtio-iommu"),
    ]
    .into_iter()
    .find(|(prefix, _)| name.starts_with(prefix))
    .map(|(_, kind)| kind)
}
