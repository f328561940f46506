//! Errors: what is reported, what is masked, what was seen.

use super::Part;
use super::registers::{Registers, bits, part};

const UNCORRECTABLE: [(u32, &str); 21] = [
    (4, "data link protocol"),
    (5, "surprise down"),
    (12, "poisoned TLP"),
    (13, "flow control protocol"),
    (14, "completion timeout"),
    (15, "completer abort"),
    (16, "unexpected completion"),
    (17, "receiver overflow"),
    (18, "malformed TLP"),
    (19, "ECRC"),
    (20, "unsupported request"),
    (21, "ACS violation"),
    (22, "internal"),
    (23, "multicast blocked TLP"),
    (24, "AtomicOp egress blocked"),
    (25, "TLP prefix blocked"),
    (26, "poisoned TLP egress blocked"),
    (27, "DMWr egress blocked"),
    (28, "IDE check failed"),
    (29, "misrouted IDE TLP"),
    (30, "PCRC check failed"),
];

const CORRECTABLE: [(u32, &str); 8] = [
    (0, "receiver"),
    (6, "bad TLP"),
    (7, "bad DLLP"),
    (8, "replay rollover"),
    (12, "replay timeout"),
    (13, "advisory non-fatal"),
    (14, "corrected internal"),
    (15, "header log overflow"),
];

/// Section 7.8.4 of the PCI Express base specification.
pub fn advanced_error_reporting(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    part(parts, "uncorrectable")
        .set("seen", r.u32(4)?, &UNCORRECTABLE)
        .set("masked", r.u32(8)?, &UNCORRECTABLE)
        .set("fatal", r.u32(12)?, &UNCORRECTABLE);
    part(parts, "correctable").set("seen", r.u32(0x10)?, &CORRECTABLE).set(
        "masked",
        r.u32(0x14)?,
        &CORRECTABLE,
    );
    let control = r.u32(0x18)?;
    part(parts, "control")
        .number("first_error", bits(control, 0, 5))
        .set("supported", control, &[(5, "ECRC generation"), (7, "ECRC check"), (9, "multiple headers")])
        .set("enabled", control, &[(6, "ECRC generation"), (8, "ECRC check"), (10, "multiple headers")]);
    let is_root = r.config().express().is_some_and(|express| matches!(express.port_type, 4 | 10));
    if is_root {
        part(parts, "root")
            .set("interrupt_on", r.u32(0x2c)?, &[(0, "correctable"), (1, "non-fatal"), (2, "fatal")])
            .set(
                "received",
                r.u32(0x30)?,
                &[
                    (0, "correctable"),
                    (1, "several correctable"),
                    (2, "uncorrectable"),
                    (3, "several uncorrectable"),
                    (5, "non-fatal"),
                    (6, "fatal"),
                ],
            )
            .hex("correctable_source", r.u16(0x34)?)
            .hex("uncorrectable_source", r.u16(0x36)?);
    }
    Some(())
}

/// Section 7.9.10: the integrated endpoints whose errors this collector reports.
pub fn event_collector(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    part(parts, "").hex("devices", r.u32(4)?);
    Some(())
}

/// Section 7.7.3.
pub fn secondary(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    part(parts, "")
        .set("link_control", r.u32(4)?, &[(0, "perform equalization"), (1, "equalization interrupt")])
        .hex("lanes_with_errors", r.u32(8)?);
    Some(())
}

/// Section 7.9.14.
pub fn downstream_containment(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, control, status) = (r.u16(4)?, r.u16(6)?, r.u16(8)?);
    part(parts, "")
        .set(
            "supported",
            capability,
            &[
                (5, "root port extensions"),
                (6, "poisoned TLP egress blocking"),
                (7, "software trigger"),
                (12, "signal when the link is active"),
            ],
        )
        .text("trigger", ["off", "fatal", "non-fatal or fatal", "reserved"][bits(control, 0, 2) as usize])
        .set("enabled", control, &[(3, "interrupt"), (4, "ERR_COR"), (5, "poisoned TLP egress blocking")])
        .set("status", status, &[(0, "triggered"), (3, "interrupt"), (4, "root port busy")])
        .text(
            "reason",
            ["unmasked uncorrectable error", "ERR_NONFATAL", "ERR_FATAL", "see extension"]
                [bits(status, 1, 2) as usize],
        )
        .hex("source", r.u16(10)?);
    Some(())
}
