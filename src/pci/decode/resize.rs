//! Where resources lie that no Base Address Register tells: resizable ones, and those that are fixed.

use super::Part;
use super::registers::{Registers, bit, bits, part};

/// Section 7.8.6 of the PCI Express base specification, and 7.8.7 for virtual functions: the same layout.
pub fn resizable_bars(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let count = bits(r.u32(8)?, 5, 3).min(6);
    for entry in 0..count as u16 {
        let (capability, control) = (r.u32(4 + 8 * entry)?, r.u32(8 + 8 * entry)?);
        // Bits 31:4 of one register, and 31:16 of the other: from 1 MiB on, each twice the one before.
        let sizes = bits(capability, 4, 28) | bits(control, 16, 16) << 28;
        let out = part(parts, format!("bar_{}", bits(control, 0, 3)));
        out.bytes("size", 1_u64 << (20 + bits(control, 8, 6)).min(63));
        if sizes != 0 {
            out.bytes("smallest", 1_u64 << (20 + sizes.trailing_zeros()));
            out.bytes("largest", 1_u64 << (20 + sizes.ilog2()).min(63));
        }
    }
    Some(())
}

/// Section 7.8.5.
pub fn enhanced_allocation(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let count = bits(r.u8(2)?, 0, 6);
    part(parts, "").number("entries", count);
    let mut at = if r.config().is_bridge() { 8 } else { 4 };
    for index in 0..count {
        let (head, low, last) = (r.u32(at)?, r.u32(at + 4)?, r.u32(at + 8)?);
        let mut next = at + 12;
        let mut wide = |register: u32| -> Option<u64> {
            if !bit(register, 1) {
                return Some(u64::from(register & !3));
            }
            let high = r.u32(next)?;
            next += 4;
            Some(u64::from(high) << 32 | u64::from(register & !3))
        };
        // The high half of the base comes before that of the size.
        let (base, offset) = (wide(low)?, wide(last)? | 3);
        part(parts, format!("entry_{index}"))
            .flag("enabled", bit(head, 31))
            .flag("writable", bit(head, 30))
            .text("for", indicator(bits(head, 4, 4)))
            .text("kind", property(bits(head, 8, 8)))
            .hex("base", base)
            .bytes("size", offset.saturating_add(1));
        // The entry says how many words follow its first.
        at += 4 + 4 * (head & 7) as u16;
    }
    Some(())
}

fn indicator(value: u64) -> String {
    match value {
        0..=5 => format!("BAR {value}"),
        6 => "what is behind the bridge".into(),
        8 => "ROM".into(),
        9..=14 => format!("BAR {} of virtual functions", value - 9),
        _ => "nothing in particular".into(),
    }
}

fn property(value: u64) -> &'static str {
    match value {
        0 => "memory",
        1 => "prefetchable memory",
        2 => "I/O ports",
        3 => "prefetchable memory of virtual functions",
        4 => "memory of virtual functions",
        5 => "memory behind the bridge",
        6 => "prefetchable memory behind the bridge",
        7 => "I/O ports behind the bridge",
        0xfd => "reserved memory",
        0xfe => "reserved I/O ports",
        0xff => "unavailable",
        _ => "reserved",
    }
}
