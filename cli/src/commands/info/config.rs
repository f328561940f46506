//! The configuration space, decoded.

use std::ops::RangeInclusive;

use dirql::host::Function;
use dirql::pci::{Bar, Bridge, ConfigSpace};
use serde_json::{Map, Value, json};

use super::capability::Shown;
use super::page::Page;
use super::{bytes, hex};

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

/// A capability of either list, with what is to be said of it.
struct Listed<'a> {
    id: u16,
    version: Option<u8>,
    name: &'static str,
    shown: Shown<'a>,
}

/// The capabilities of both lists.
fn listed(config: &ConfigSpace) -> (Vec<Listed<'_>>, Vec<Listed<'_>>) {
    let standard: Vec<_> = config.capabilities().collect();
    let extended: Vec<_> = config.extended_capabilities().collect();
    let mut offsets: Vec<u16> = standard.iter().map(|one| one.offset).collect();
    offsets.extend(extended.iter().map(|one| one.offset));
    // What is not understood goes on to the next capability at most.
    let room = |offset: u16| {
        let next = offsets.iter().copied().filter(|other| *other > offset).min().unwrap_or(u16::MAX);
        usize::from(next - offset)
    };
    let standard = standard.into_iter().map(|one| Listed {
        id: one.id.into(),
        version: None,
        name: one.name(),
        shown: Shown::new(config, one.offset, config.decode(one), room(one.offset)),
    });
    let extended = extended.into_iter().map(|one| Listed {
        id: one.id,
        version: Some(one.version),
        name: one.name(),
        shown: Shown::new(config, one.offset, config.decode_extended(one), room(one.offset)),
    });
    (standard.collect(), extended.collect())
}

impl Listed<'_> {
    fn document(&self) -> Value {
        let mut object = Map::new();
        object.insert("offset".into(), json!(hex(self.shown.offset)));
        object.insert("id".into(), json!(hex(self.id)));
        object.insert("name".into(), json!(self.name));
        if let Some(version) = self.version {
            object.insert("version".into(), json!(version));
        }
        self.shown.document(&mut object);
        Value::Object(object)
    }

    fn text(&self, page: &mut Page<'_>) {
        let id = if self.name == "Unknown" { format!(" (ID {:#x})", self.id) } else { String::new() };
        let version = self.version.map_or_else(String::new, |version| format!(" v{version}"));
        page.sentence(2, &format!("[{:03x}] {}{version}{id}", self.shown.offset, self.name));
        self.shown.text(page);
    }
}

/// The configuration space as JSON; `source` is what showed it.
pub fn document(config: &ConfigSpace, source: &str, function: &Function) -> Value {
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
    let (standard, extended) = listed(config);
    let faults: Vec<_> = config.list_faults().iter().map(ToString::to_string).collect();
    json!({
        "bytes": config.as_bytes().len(),
        "source": source,
        "complete": !config.is_header_only(),
        "command": hex(config.command().bits()),
        "command_bits": config.command_names(),
        "status": hex(config.status()),
        "status_bits": config.status_names(),
        "header_type": config.header_type(),
        "multi_function": config.is_multi_function(),
        "interrupt_pin": config.interrupt_pin(),
        "interrupt_line": config.interrupt_line(),
        "bars": bars.collect::<Vec<_>>(),
        "rom": config.rom().map(|(address, enabled)| json!({ "address": hex(address), "enabled": enabled })),
        "bridge": config.bridge().as_ref().map(bridge_document),
        "capabilities": standard.iter().map(Listed::document).collect::<Vec<_>>(),
        "extended_capabilities": extended.iter().map(Listed::document).collect::<Vec<_>>(),
        "list_faults": faults,
        "msi_vectors": config.msi().map(|msi| msi.vectors),
        "msix_vectors": config.msix().map(|msix| msix.table_size),
    })
}

fn bridge_document(bridge: &Bridge) -> Value {
    let window = |window: &Option<RangeInclusive<u64>>| {
        window.as_ref().map(|window| json!({ "first": hex(*window.start()), "last": hex(*window.end()) }))
    };
    json!({
        "primary": hex(bridge.primary),
        "secondary": hex(bridge.secondary),
        "subordinate": hex(bridge.subordinate),
        "io": window(&bridge.io),
        "memory": window(&bridge.memory),
        "prefetchable": window(&bridge.prefetchable),
        "control": hex(bridge.control),
        "control_bits": bridge.control_names(),
    })
}

/// The configuration space as text.
pub fn text(page: &mut Page<'_>, config: &ConfigSpace, source: &str, function: &Function) {
    page.heading("Configuration space", &format!("{} bytes, by {source}", config.as_bytes().len()));
    let bits = |value: u16, names: Vec<&str>| format!("{value:#06x}  {}", names.join(", "));
    page.line("command", bits(config.command().bits(), config.command_names()));
    page.line("status", bits(config.status(), config.status_names()));
    page.line(
        "interrupt pin",
        match config.interrupt_pin() {
            0 => "none".to_string(),
            pin @ 1..=4 => format!("INT{}", char::from(b'A' + (pin - 1))),
            pin => format!("unknown ({pin})"),
        },
    );
    let sizes = function.bar_sizes();
    for (index, bar) in bars(config) {
        let size = match sizes[usize::from(index)] {
            0 => String::new(),
            size => format!(", {}", bytes(size)),
        };
        let said = match bar {
            Bar::Io { port } => format!("I/O ports from {port:#x}{size}"),
            Bar::Memory { address, is_64_bit, prefetchable } => format!(
                "memory at {address:#x}{size}, {} bits{}",
                if is_64_bit { 64 } else { 32 },
                if prefetchable { ", prefetchable" } else { "" }
            ),
        };
        page.line(&format!("BAR {index}"), said);
    }
    if let Some((address, enabled)) = config.rom() {
        page.line("ROM", format!("at {address:#x}, {}", if enabled { "shown" } else { "not shown" }));
    }
    if let Some(bridge) = config.bridge() {
        bridge_text(page, &bridge);
    }
    if config.is_header_only() {
        let address = function.address;
        page.sentence(
            2,
            &format!(
                "Capabilities lie beyond the 64 bytes that the kernel shows an ordinary user. All of it: \
                 sudo dirql info {address}, or once the device is bound and yours: \
                 sudo dirql bind {address} --owner $USER"
            ),
        );
        return;
    }
    let (standard, extended) = listed(config);
    standard.iter().chain(&extended).for_each(|one| one.text(page));
    for fault in config.list_faults() {
        page.sentence(2, &format!("error: {fault}"));
    }
}

fn bridge_text(page: &mut Page<'_>, bridge: &Bridge) {
    let Bridge { primary, secondary, subordinate, .. } = bridge;
    page.line("buses", format!("on {primary:02x}, behind it {secondary:02x} to {subordinate:02x}"));
    for (name, window) in
        [("I/O", &bridge.io), ("memory", &bridge.memory), ("prefetchable", &bridge.prefetchable)]
    {
        let said = window.as_ref().map_or_else(
            || "none".to_string(),
            |window| format!("{:#x} to {:#x}", window.start(), window.end()),
        );
        page.line(&format!("  {name}"), format!("forwards {said}"));
    }
    let control = bridge.control_names();
    if !control.is_empty() {
        page.line("  control", control.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_of_a_bar_is_none() {
        let mut config = vec![0; 64];
        config[0x10..0x18].copy_from_slice(&[0x0c, 0, 0, 0xfe, 1, 0, 0, 0]);
        config[0x18..0x1c].copy_from_slice(&0xc001_u32.to_le_bytes());
        let found = bars(&ConfigSpace::new(config).unwrap());
        assert_eq!(found.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn what_is_not_understood_ends_where_the_next_begins() {
        let mut config = vec![0_u8; 4096];
        (config[6], config[0x34]) = (0x10, 0x40);
        config[0x40..0x42].copy_from_slice(&[0x77, 0x48]);
        config[0x48..0x4a].copy_from_slice(&[0x78, 0x48]);
        config[0x100..0x104].copy_from_slice(&0x0001_00ee_u32.to_le_bytes());
        let config = ConfigSpace::new(config).unwrap();
        let (standard, extended) = listed(&config);
        let lens: Vec<_> =
            standard.iter().chain(&extended).map(|one| one.shown.bytes.unwrap().len()).collect();
        assert_eq!(lens, [8, 32, 32]);
        let mut page = Page::new(&str::to_string);
        extended[0].text(&mut page);
        assert!(page.text().starts_with("  [100] Unknown v1 (ID 0xee)\n        ee 00 01 00"));
        assert_eq!(config.list_faults().len(), 1);
    }
}
