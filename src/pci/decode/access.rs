//! Who reaches what: isolation, routing, address translation, virtual functions.

use super::Part;
use super::registers::{Registers, bit, bits, part};

const CONTROLS: [(u32, &str); 8] = [
    (0, "source validation"),
    (1, "translation blocking"),
    (2, "request redirect"),
    (3, "completion redirect"),
    (4, "upstream forwarding"),
    (5, "egress control"),
    (6, "direct translated"),
    (7, "enhanced"),
];

/// Section 7.7.11 of the PCI Express base specification.
pub fn access_control(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control) = (r.u16(4)?, r.u16(6)?);
    part(parts, "").set("supported", capability, &CONTROLS).set("enabled", control, &CONTROLS);
    Some(())
}

/// Section 7.8.8.
pub fn alternative_routing(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    const GROUPS: [(u32, &str); 2] = [(0, "multi-function VC"), (1, "ACS")];
    let (capability, control) = (r.u16(4)?, r.u16(6)?);
    part(parts, "")
        .number("next_function", bits(capability, 8, 8))
        .set("function_groups", capability, &GROUPS)
        .set("function_groups_enabled", control, &GROUPS)
        .number("function_group", bits(control, 4, 3));
    Some(())
}

/// Section 10.5.1. A depth of 0 stands for 32.
pub fn address_translation(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control) = (r.u16(4)?, r.u16(6)?);
    let depth = match bits(capability, 0, 5) {
        0 => 32,
        depth => depth,
    };
    part(parts, "")
        .flag("enabled", bit(control, 15))
        .number("invalidate_queue_depth", depth)
        .flag("page_aligned", bit(capability, 5))
        .bytes("smallest_unit", 4096_u64 << bits(control, 0, 5));
    Some(())
}

/// Section 10.5.2.
pub fn page_requests(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (control, status) = (r.u16(4)?, r.u16(6)?);
    part(parts, "")
        .flag("enabled", bit(control, 0))
        .set(
            "status",
            status,
            &[(0, "response failure"), (1, "unexpected group"), (8, "stopped"), (15, "PASID required")],
        )
        .number("capacity", r.u32(8)?)
        .number("allocated", r.u32(12)?);
    Some(())
}

/// Section 7.8.9.
pub fn address_spaces(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control) = (r.u16(4)?, r.u16(6)?);
    part(parts, "")
        .flag("enabled", bit(control, 0))
        .number("pasid_bits", bits(capability, 8, 5))
        .set("supported", capability, &[(1, "execute permission"), (2, "privileged mode")])
        .set("permitted", control, &[(1, "execute permission"), (2, "privileged mode")]);
    Some(())
}

/// Section 9.3.3.
pub fn single_root_virtualization(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (control, page) = (r.u16(8)?, r.u32(0x20)?);
    part(parts, "")
        .flag("enabled", bit(control, 0))
        .flag("memory_enabled", bit(control, 3))
        .flag("ari", bit(control, 4))
        .number("functions", r.u16(0x10)?)
        .number("functions_initial", r.u16(0x0c)?)
        .number("functions_total", r.u16(0x0e)?)
        .number("first_offset", r.u16(0x14)?)
        .number("stride", r.u16(0x16)?)
        .hex("device", r.u16(0x1a)?)
        .bytes("page_size", 4096_u64 << page.trailing_zeros().min(31));
    let mut index = 0;
    while index < 6 {
        let low = r.u32(0x24 + 4 * index)?;
        let is_64_bit = low & 6 == 4;
        if low & !15 != 0 || is_64_bit {
            let high = if is_64_bit && index < 5 { r.u32(0x28 + 4 * index)? } else { 0 };
            part(parts, format!("bar_{index}"))
                .hex("address", u64::from(high) << 32 | u64::from(low & !15))
                .flag("64_bit", is_64_bit)
                .flag("prefetchable", bit(low, 3));
        }
        index += if is_64_bit { 2 } else { 1 };
    }
    Some(())
}

/// Section 7.9.13.
pub fn processing_hints(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control) = (r.u32(4)?, r.u32(8)?);
    let place = ["none", "this capability", "the MSI-X table", "reserved"][bits(capability, 9, 2) as usize];
    part(parts, "")
        .set(
            "supported",
            capability,
            &[
                (0, "no steering tags"),
                (1, "interrupt vector mode"),
                (2, "device specific mode"),
                (8, "extended"),
            ],
        )
        .text("table_in", place)
        .number("table_size", bits(capability, 16, 11) + 1)
        .text(
            "mode",
            ["no steering tags", "interrupt vector", "device specific", "reserved"]
                [bits(control, 0, 2) as usize],
        )
        .text("requester", ["off", "TPH", "reserved", "TPH and extended TPH"][bits(control, 8, 2) as usize]);
    Some(())
}
