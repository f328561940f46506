//! The PCI Express capability (section 7.5.3 of its base specification): device, link, slot, root.

use super::Part;
use super::registers::{Registers, bit, bits, part};

const ERRORS: [(u32, &str); 4] =
    [(0, "correctable errors"), (1, "non-fatal errors"), (2, "fatal errors"), (3, "unsupported requests")];

pub fn express(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let flags = r.u16(2)?;
    let (version, port) = (bits(flags, 0, 4), bits(flags, 4, 4));
    let has_slot = bit(flags, 8);
    part(parts, "")
        .text("type", port_type(port))
        .number("version", version)
        .flag("slot", has_slot)
        .number("interrupt_message", bits(flags, 9, 5));
    device(r, parts)?;
    // Endpoints in the root complex, and event collectors, have no link.
    let has_link = !matches!(port, 9 | 10);
    if has_link {
        link(r, parts)?;
    }
    if has_slot && matches!(port, 4 | 6) {
        slot(r, parts)?;
    }
    if matches!(port, 4 | 10) {
        root(r, parts)?;
    }
    if version < 2 {
        return Some(());
    }
    device_2(r, parts)?;
    if has_link { link_2(r, parts) } else { Some(()) }
}

fn device(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capabilities, control, status) = (r.u32(4)?, r.u16(8)?, r.u16(10)?);
    let payload = |code: u64| 128_u64 << code;
    part(parts, "device")
        .bytes("max_payload", payload(bits(capabilities, 0, 3)))
        .set(
            "supported",
            capabilities,
            &[(5, "extended tags"), (15, "role-based error reporting"), (28, "FLR")],
        )
        .text("l0s_acceptable", latency(bits(capabilities, 6, 3), &L0S, "no limit"))
        .text("l1_acceptable", latency(bits(capabilities, 9, 3), &L1, "no limit"));
    part(parts, "device_control")
        .bytes("max_payload", payload(bits(control, 5, 3)))
        .bytes("max_read_request", payload(bits(control, 12, 3)))
        .set("reports", control, &ERRORS)
        .set(
            "enabled",
            control,
            &[
                (4, "relaxed ordering"),
                (8, "extended tags"),
                (9, "phantom functions"),
                (10, "auxiliary power"),
                (11, "no snoop"),
            ],
        );
    part(parts, "device_status").set("seen", status, &ERRORS).set(
        "status",
        status,
        &[(4, "auxiliary power"), (5, "transactions pending")],
    );
    Some(())
}

fn link(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    const ASPM: [(u32, &str); 2] = [(0, "L0s"), (1, "L1")];
    let (capabilities, control, status) = (r.u32(12)?, r.u16(16)?, r.u16(18)?);
    part(parts, "link")
        .text("max_speed", speed(bits(capabilities, 0, 4)))
        .text("max_width", format!("x{}", bits(capabilities, 4, 6)))
        .set("aspm", bits(capabilities, 10, 2), &ASPM)
        .text("l0s_exit", latency(bits(capabilities, 12, 3), &L0S, "more than 4 µs"))
        .text("l1_exit", latency(bits(capabilities, 15, 3), &L1, "more than 64 µs"))
        .set(
            "supported",
            capabilities,
            &[
                (18, "clock power management"),
                (19, "surprise down reporting"),
                (20, "link active reporting"),
                (21, "bandwidth notification"),
            ],
        )
        .number("port", bits(capabilities, 24, 8));
    part(parts, "link_control").set("aspm", bits(control, 0, 2), &ASPM).set(
        "enabled",
        control,
        &[
            (4, "link disabled"),
            (6, "common clock"),
            (7, "extended synch"),
            (8, "clock power management"),
            (9, "no autonomous width"),
            (10, "bandwidth interrupt"),
            (11, "autonomous bandwidth interrupt"),
        ],
    );
    part(parts, "link_status")
        .text("speed", speed(bits(status, 0, 4)))
        .text("width", format!("x{}", bits(status, 4, 6)))
        .set(
            "status",
            status,
            &[
                (11, "training"),
                (12, "slot clock"),
                (13, "link active"),
                (14, "bandwidth changed"),
                (15, "autonomous bandwidth changed"),
            ],
        );
    Some(())
}

fn slot(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capabilities, control, status) = (r.u32(0x14)?, r.u16(0x18)?, r.u16(0x1a)?);
    let scale = [1000, 100, 10, 1][bits(capabilities, 15, 2) as usize];
    part(parts, "slot")
        .number("number", bits(capabilities, 19, 13))
        .text("power_limit", format!("{} mW", bits(capabilities, 7, 8) * scale))
        .set(
            "has",
            capabilities,
            &[
                (0, "attention button"),
                (1, "power controller"),
                (2, "MRL sensor"),
                (3, "attention indicator"),
                (4, "power indicator"),
                (5, "surprise removal"),
                (6, "hot-plug"),
                (17, "interlock"),
            ],
        );
    let indicator = |code: u64| ["reserved", "on", "blinking", "off"][code as usize];
    part(parts, "slot_control")
        .set(
            "interrupt_on",
            control,
            &[
                (0, "attention button"),
                (1, "power fault"),
                (2, "MRL sensor"),
                (3, "presence"),
                (4, "command completed"),
                (5, "hot-plug"),
                (12, "link state"),
            ],
        )
        .text("attention_indicator", indicator(bits(control, 6, 2)))
        .text("power_indicator", indicator(bits(control, 8, 2)))
        .flag("power_off", bit(control, 10));
    part(parts, "slot_status").set(
        "status",
        status,
        &[
            (0, "attention button pressed"),
            (1, "power fault"),
            (2, "MRL changed"),
            (3, "presence changed"),
            (4, "command completed"),
            (5, "MRL open"),
            (6, "card present"),
            (7, "interlock engaged"),
            (8, "link state changed"),
        ],
    );
    Some(())
}

fn root(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (control, capabilities, status) = (r.u16(0x1c)?, r.u16(0x1e)?, r.u32(0x20)?);
    part(parts, "root")
        .set(
            "enabled",
            control,
            &[
                (0, "SERR on correctable"),
                (1, "SERR on non-fatal"),
                (2, "SERR on fatal"),
                (3, "PME interrupt"),
                (4, "CRS visibility"),
            ],
        )
        .set("supported", capabilities, &[(0, "CRS visibility")])
        .set("status", status, &[(16, "PME"), (17, "PME pending")]);
    Some(())
}

fn device_2(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capabilities, control) = (r.u32(0x24)?, r.u16(0x28)?);
    part(parts, "device_2").set(
        "supported",
        capabilities,
        &[
            (4, "completion timeout off"),
            (5, "ARI forwarding"),
            (6, "AtomicOp routing"),
            (7, "32-bit AtomicOp"),
            (8, "64-bit AtomicOp"),
            (9, "128-bit CAS"),
            (11, "LTR"),
            (16, "10-bit tags completer"),
            (17, "10-bit tags requester"),
            (18, "OBFF by message"),
            (19, "OBFF by WAKE#"),
            (21, "end-to-end prefixes"),
        ],
    );
    part(parts, "device_control_2").text("completion_timeout", timeout(bits(control, 0, 4))).set(
        "enabled",
        control,
        &[
            (4, "completion timeout off"),
            (5, "ARI forwarding"),
            (6, "AtomicOp requests"),
            (7, "AtomicOp egress blocking"),
            (8, "ID-based ordering of requests"),
            (9, "ID-based ordering of completions"),
            (10, "LTR"),
            (12, "10-bit tags"),
        ],
    );
    Some(())
}

fn link_2(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capabilities, control, status) = (r.u32(0x2c)?, r.u16(0x30)?, r.u16(0x32)?);
    part(parts, "link_2").set(
        "speeds",
        capabilities,
        &[(1, "2.5 GT/s"), (2, "5 GT/s"), (3, "8 GT/s"), (4, "16 GT/s"), (5, "32 GT/s"), (6, "64 GT/s")],
    );
    part(parts, "link_control_2").text("target_speed", speed(bits(control, 0, 4))).set(
        "enabled",
        control,
        &[(4, "compliance"), (5, "no autonomous speed")],
    );
    part(parts, "link_status_2").text("de_emphasis", if bit(status, 0) { "-3.5 dB" } else { "-6 dB" }).set(
        "equalization",
        status,
        &[(1, "complete"), (2, "phase 1"), (3, "phase 2"), (4, "phase 3")],
    );
    Some(())
}

/// Section 7.7.4.
pub fn data_link_feature(r: &Registers<'_>, parts: &mut Vec<Part>) -> Option<()> {
    let (capability, status) = (r.u32(4)?, r.u32(8)?);
    part(parts, "")
        .flag("exchange", bit(capability, 31))
        .set("supported", capability, &[(0, "scaled flow control")])
        .flag("remote_is_known", bit(status, 31))
        .set("remote_supports", status, &[(0, "scaled flow control")]);
    Some(())
}

fn port_type(code: u64) -> &'static str {
    match code {
        0 => "endpoint",
        1 => "legacy endpoint",
        4 => "root port",
        5 => "upstream port",
        6 => "downstream port",
        7 => "bridge from PCI Express to PCI",
        8 => "bridge from PCI to PCI Express",
        9 => "integrated endpoint",
        10 => "event collector",
        _ => "reserved",
    }
}

fn speed(code: u64) -> &'static str {
    match code {
        1 => "2.5 GT/s",
        2 => "5 GT/s",
        3 => "8 GT/s",
        4 => "16 GT/s",
        5 => "32 GT/s",
        6 => "64 GT/s",
        0 => "none",
        _ => "unknown",
    }
}

const L0S: [&str; 7] = ["64 ns", "128 ns", "256 ns", "512 ns", "1 µs", "2 µs", "4 µs"];
const L1: [&str; 7] = ["1 µs", "2 µs", "4 µs", "8 µs", "16 µs", "32 µs", "64 µs"];

fn latency(code: u64, names: &[&'static str; 7], beyond: &'static str) -> &'static str {
    names.get(code as usize).copied().unwrap_or(beyond)
}

fn timeout(code: u64) -> &'static str {
    match code {
        0 => "50 µs to 50 ms",
        1 => "50 to 100 µs",
        2 => "1 to 10 ms",
        5 => "16 to 55 ms",
        6 => "65 to 210 ms",
        9 => "260 to 900 ms",
        10 => "1 to 3.5 s",
        13 => "4 to 13 s",
        14 => "17 to 64 s",
        _ => "reserved",
    }
}
