//! Capabilities of the first list, and those of the extended one that are as short.

use super::Part;
use super::registers::{Registers, bit, bits, part};

/// How many bytes of what only a vendor understands are shown.
const SHOWN: usize = 16;

pub fn msi(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let control = r.u16(2)?;
    let (is_64_bit, maskable) = (bit(control, 7), bit(control, 8));
    let out = part(parts, "");
    out.flag("enabled", bit(control, 0))
        .number("vectors", 1_u64 << bits(control, 1, 3).min(5))
        .number("vectors_enabled", 1_u64 << bits(control, 4, 3).min(5))
        .flag("64_bit", is_64_bit)
        .flag("maskable", maskable);
    let (address, data) = if is_64_bit { (r.u64(4)?, 12) } else { (r.u32(4)?.into(), 8) };
    out.hex("address", address).hex("data", r.u16(data)?);
    if maskable {
        out.hex("mask", r.u32(data + 4)?).hex("pending", r.u32(data + 8)?);
    }
    Some(())
}

pub fn msix(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let control = r.u16(2)?;
    let out = part(parts, "");
    out.flag("enabled", bit(control, 15))
        .flag("masked", bit(control, 14))
        .number("vectors", bits(control, 0, 11) + 1);
    let (table, pending) = (r.u32(4)?, r.u32(8)?);
    out.number("table_bar", table & 7).hex("table_offset", table & !7);
    out.number("pending_bar", pending & 7).hex("pending_offset", pending & !7);
    Some(())
}

pub fn vital_product_data(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let address = r.u16(2)?;
    part(parts, "").hex("address", bits(address, 0, 15)).flag("complete", bit(address, 15));
    Some(())
}

pub fn slot_identification(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let slots = r.u8(2)?;
    part(parts, "")
        .number("slots", bits(slots, 0, 5))
        .flag("first_in_chassis", bit(slots, 5))
        .number("chassis", r.u8(3)?);
    Some(())
}

/// Bridges have another layout, which is not decoded.
pub fn pci_x(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    if r.config().header_type() != 0 {
        return Some(());
    }
    let (command, status) = (r.u16(2)?, r.u32(4)?);
    part(parts, "command")
        .bytes("max_read", 512_u64 << bits(command, 2, 2))
        .number("max_split_transactions", [1_u64, 2, 3, 4, 8, 12, 16, 32][bits(command, 4, 3) as usize])
        .set("enabled", command, &[(0, "data parity recovery"), (1, "relaxed ordering")]);
    part(parts, "status").set(
        "supported",
        status,
        &[(16, "64-bit"), (17, "133 MHz"), (30, "266 MHz"), (31, "533 MHz")],
    );
    Some(())
}

pub fn hypertransport(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let command = r.u16(2)?;
    let kind = match (bits(command, 13, 3), bits(command, 11, 5)) {
        (0, _) => "slave or primary interface",
        (1, _) => "host or secondary interface",
        (_, 0x10) => "interrupt discovery",
        (_, 0x12) => "unit ID clumping",
        (_, 0x13) => "extended configuration space",
        (_, 0x14) => "address mapping",
        (_, 0x15) => "MSI mapping",
        (_, 0x16) => "direct route",
        (_, 0x17) => "virtual channel set",
        (_, 0x18) => "retry mode",
        (_, 0x1a) => "generation 3",
        (7, _) => "power management",
        _ => "unknown",
    };
    part(parts, "").text("kind", kind).hex("command", command);
    Some(())
}

/// The vendor's own; virtio's is public: section 4.1.4 of its specification.
pub fn vendor_specific(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let len = r.u8(2)?;
    let out = part(parts, "");
    out.bytes("length", len);
    if r.config().vendor_id() == 0x1af4 && len >= 16 {
        let kind = match r.u8(3)? {
            1 => "common configuration",
            2 => "notifications",
            3 => "interrupt status",
            4 => "device configuration",
            5 => "access to the BARs",
            8 => "shared memory",
            9 => "vendor data",
            _ => "unknown",
        };
        out.text("virtio", kind).number("bar", r.u8(4)?).hex("offset", r.u32(8)?).bytes("size", r.u32(12)?);
        return Some(());
    }
    let body = usize::from(len).saturating_sub(3).min(SHOWN);
    out.text("bytes", r.dump(3, body));
    Some(())
}

pub fn debug_port(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let place = r.u16(2)?;
    part(parts, "").number("bar", bits(place, 13, 3).saturating_sub(1)).hex("offset", bits(place, 0, 13));
    Some(())
}

pub fn bridge_subsystem(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    part(parts, "").hex("subsystem_vendor", r.u16(4)?).hex("subsystem_device", r.u16(6)?);
    Some(())
}

/// Source: Serial ATA AHCI 1.3.1, section 2.4.
pub fn sata(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (revision, place) = (r.u8(2)?, r.u32(4)?);
    let out = part(parts, "");
    out.text("revision", format!("{}.{}", revision >> 4, revision & 15));
    match bits(place, 0, 4) {
        bar @ 4..=9 => out.number("bar", bar - 4).hex("offset", bits(place, 4, 20) * 4),
        15 => out.text("place", "configuration space"),
        _ => out.text("place", "unknown"),
    };
    Some(())
}

pub fn advanced_features(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let features = r.u8(3)?;
    part(parts, "")
        .set("supported", features, &[(0, "transactions pending"), (1, "FLR")])
        .flag("transactions_pending", bit(r.u8(5)?, 0));
    Some(())
}

pub fn serial_number(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let bytes = r.u64(4)?.to_be_bytes().map(|byte| format!("{byte:02x}"));
    part(parts, "").text("serial_number", bytes.join("-"));
    Some(())
}

pub fn virtual_channel(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let count = bits(r.u32(4)?, 0, 3);
    part(parts, "").number("channels", count + 1);
    for channel in 0..=count as u16 {
        let (control, status) = (r.u32(0x14 + 12 * channel)?, r.u16(0x1a + 12 * channel)?);
        part(parts, format!("channel_{channel}"))
            .flag("enabled", bit(control, 31))
            .number("id", bits(control, 24, 3))
            .hex("traffic_classes", bits(control, 0, 8))
            .flag("negotiation_pending", bit(status, 1));
    }
    Some(())
}

pub fn vendor_specific_extended(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let header = r.u32(4)?;
    let len = bits(header, 20, 12);
    let out = part(parts, "");
    out.hex("vsec_id", bits(header, 0, 16)).number("revision", bits(header, 16, 4)).bytes("length", len);
    out.text("bytes", r.dump(8, (len as usize).saturating_sub(8).min(SHOWN)));
    Some(())
}

pub fn designated_vendor_specific(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (header, id) = (r.u32(4)?, r.u16(8)?);
    let (vendor, len) = (bits(header, 0, 16), bits(header, 20, 12));
    let out = part(parts, "");
    out.hex("vendor", vendor).hex("dvsec_id", id).number("revision", bits(header, 16, 4));
    // Compute Express Link 3.1, section 8.1.1.
    if vendor == 0x1e98 {
        let name = match id {
            0 => "CXL device",
            2 => "CXL non-CXL function map",
            3 => "CXL extensions for ports",
            4 => "CXL GPF for ports",
            5 => "CXL GPF for devices",
            7 => "CXL flex bus port",
            8 => "CXL register locator",
            9 => "CXL multi-logical device",
            10 => "CXL test",
            _ => "CXL",
        };
        out.text("meaning", name);
    }
    out.bytes("length", len).text("bytes", r.dump(10, (len as usize).saturating_sub(10).min(SHOWN)));
    Some(())
}

pub fn precision_time(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control) = (r.u32(4)?, r.u32(8)?);
    let out = part(parts, "");
    out.set("supported", capability, &[(0, "requester"), (1, "responder"), (2, "root")]);
    out.text(
        "granularity",
        match bits(capability, 8, 8) {
            0 => "unknown".into(),
            255 => "more than 254 ns".into(),
            ns => format!("{ns} ns"),
        },
    );
    out.flag("enabled", bit(control, 0)).flag("root_selected", bit(control, 1));
    Some(())
}

pub fn data_object_exchange(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control, status) = (r.u32(4)?, r.u32(8)?, r.u32(12)?);
    part(parts, "").flag("interrupts", bit(capability, 0)).flag("interrupts_enabled", bit(control, 1)).set(
        "status",
        status,
        &[(0, "busy"), (1, "interrupt"), (2, "error"), (31, "object ready")],
    );
    Some(())
}
