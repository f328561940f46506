//! Power: states, substates of the link, latencies, budgets.

use super::Part;
use super::registers::{Registers, bit, bits, part};

/// Section 7.5.2 of the PCI Express base specification.
pub fn management(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capabilities, status) = (r.u16(2)?, r.u16(4)?);
    part(parts, "")
        .text("state", ["D0", "D1", "D2", "D3hot"][bits(status, 0, 2) as usize])
        .number("version", bits(capabilities, 0, 3))
        .flag("no_soft_reset", bit(status, 3))
        .set("optional_states", capabilities, &[(9, "D1"), (10, "D2")])
        .set("pme_from", capabilities, &[(11, "D0"), (12, "D1"), (13, "D2"), (14, "D3hot"), (15, "D3cold")])
        .flag("pme_enabled", bit(status, 8))
        .flag("pme_pending", bit(status, 15));
    Some(())
}

/// Section 7.8.2: the value times 2 to the power of five times the scale, in nanoseconds.
pub fn latency_tolerance(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let latency = |register: u16| nanoseconds(bits(register, 0, 10), bits(register, 10, 3));
    let (snoop, no_snoop) = (r.u16(4)?, r.u16(6)?);
    part(parts, "").text("max_snoop", latency(snoop)).text("max_no_snoop", latency(no_snoop));
    Some(())
}

fn nanoseconds(value: u64, scale: u64) -> String {
    match scale {
        0..=5 => format!("{} ns", value << (5 * scale)),
        _ => "reserved".into(),
    }
}

/// Section 7.8.3.
pub fn l1_substates(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    const NAMES: [(u32, &str); 4] =
        [(0, "PCI-PM L1.2"), (1, "PCI-PM L1.1"), (2, "ASPM L1.2"), (3, "ASPM L1.1")];
    let (capability, control) = (r.u32(4)?, r.u32(8)?);
    let out = part(parts, "");
    out.set("supported", capability, &[NAMES[0], NAMES[1], NAMES[2], NAMES[3], (4, "L1 PM substates")]);
    out.set("enabled", control, &NAMES);
    let scale = [2, 10, 100].get(bits(capability, 16, 2) as usize);
    if let Some(microseconds) = scale.map(|scale| scale * bits(capability, 19, 5)) {
        out.text("power_on", format!("{microseconds} µs"));
    }
    out.text("common_mode_restore", format!("{} µs", bits(capability, 8, 8)));
    out.text("l1_2_threshold", nanoseconds(bits(control, 16, 10), bits(control, 29, 3)));
    Some(())
}

/// Section 7.8.1: the entry that the Data Select register points to.
pub fn budgeting(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (select, data) = (r.u8(4)?, r.u32(8)?);
    let scale = [1000, 100, 10, 1][bits(data, 8, 2) as usize];
    part(parts, "")
        .number("entry", select)
        .text("power", format!("{} mW", bits(data, 0, 8) * scale))
        .text("state", ["D0", "D1", "D2", "D3"][bits(data, 13, 2) as usize])
        .flag("in_system_budget", bit(r.u8(12)?, 0));
    Some(())
}
