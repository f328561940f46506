//! The configuration space, decoded.

use std::fmt::Write as _;

use dirql::host::Function;
use dirql::pci::{Bar, Command, ConfigSpace};
use serde_json::{Value, json};

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

const COMMAND_BITS: [(Command, &str); 4] = [
    (Command::IO_SPACE, "I/O space"),
    (Command::MEMORY_SPACE, "memory space"),
    (Command::BUS_MASTER, "bus master"),
    (Command::INTX_DISABLE, "INTx disabled"),
];

/// The configuration space as JSON.
pub fn document(config: &ConfigSpace, function: &Function) -> Value {
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

/// The configuration space as text.
pub fn text(text: &mut String, config: &ConfigSpace, function: &Function, heading: &dyn Fn(&str) -> String) {
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
}
