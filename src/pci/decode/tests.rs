use proptest::prelude::*;

use super::*;

/// A function with one capability of the first list, which stands at 0x40.
fn with(capability: &[u8]) -> (ConfigSpace, Decoded) {
    let mut bytes = vec![0_u8; 256];
    bytes[..4].copy_from_slice(&[0xf4, 0x1a, 0x41, 0x10]);
    (bytes[6], bytes[0x34]) = (0x10, 0x40);
    bytes[0x40..0x40 + capability.len()].copy_from_slice(capability);
    let config = ConfigSpace::new(bytes).unwrap();
    let decoded = config.decode(config.capabilities().next().unwrap());
    (config, decoded)
}

/// What an extended capability says that stands at 0x100.
fn extended(words: &[u32]) -> Decoded {
    let mut bytes = vec![0_u8; 4096];
    for (chunk, word) in bytes[0x100..].chunks_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let config = ConfigSpace::new(bytes).unwrap();
    let decoded = config.decode_extended(config.extended_capabilities().next().unwrap());
    assert!(!decoded.is_truncated);
    decoded
}

/// The value of a field; `part.name`, or `name` of the part without a name.
fn field(decoded: &Decoded, path: &str) -> FieldValue {
    let (part, name) = path.rsplit_once('.').unwrap_or(("", path));
    let part = decoded.parts.iter().find(|other| other.name == part).expect(path);
    part.fields.iter().find(|field| field.name == name).expect(path).value.clone()
}

use FieldValue::{Bytes, Flag, Hex, Number, Set, Text};

fn text(text: &str) -> FieldValue {
    Text(text.into())
}

#[test]
fn messages() {
    let (_, msi) =
        with(&[0x05, 0, 0x85, 0x01, 0, 0, 0xe0, 0xfe, 1, 0, 0, 0, 0x21, 0x40, 0, 0, 2, 0, 0, 0, 4]);
    assert_eq!(field(&msi, "enabled"), Flag(true));
    assert_eq!((field(&msi, "vectors"), field(&msi, "vectors_enabled")), (Number(4), Number(1)));
    assert_eq!((field(&msi, "address"), field(&msi, "data")), (Hex(0x1_fee0_0000), Hex(0x4021)));
    assert_eq!((field(&msi, "mask"), field(&msi, "pending")), (Hex(2), Hex(4)));
    let (_, msix) = with(&[0x11, 0, 0x04, 0xc0, 0x03, 0, 0, 0, 0x03, 0x20, 0, 0]);
    assert_eq!((field(&msix, "vectors"), field(&msix, "masked")), (Number(5), Flag(true)));
    assert_eq!((field(&msix, "table_bar"), field(&msix, "pending_offset")), (Number(3), Hex(0x2000)));
}

#[test]
fn power_and_vendors() {
    let (_, power) = with(&[0x01, 0, 0x23, 0xc8, 0x0b, 0x81]);
    assert_eq!((field(&power, "state"), field(&power, "no_soft_reset")), (text("D3hot"), Flag(true)));
    assert_eq!(field(&power, "pme_from"), Set(vec!["D0", "D3hot", "D3cold"]));
    assert_eq!((field(&power, "pme_enabled"), field(&power, "pme_pending")), (Flag(true), Flag(true)));
    let (_, virtio) = with(&[9, 0, 16, 1, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0]);
    assert_eq!((field(&virtio, "virtio"), field(&virtio, "bar")), (text("common configuration"), Number(4)));
    assert_eq!((field(&virtio, "offset"), field(&virtio, "size")), (Hex(0x1000), Bytes(4096)));
    let (config, unknown) = with(&[0x77, 0, 1, 2]);
    assert!(unknown.parts.is_empty() && !unknown.is_truncated);
    assert_eq!(config.bytes_at(0x40, 4), [0x77, 0, 1, 2]);
    assert_eq!((config.bytes_at(0xfe, 4).len(), config.bytes_at(0x1000, 4).len()), (2, 0));
}

#[test]
fn a_root_port() {
    let mut bytes = vec![0x10, 0, 0x42, 0x01];
    let mut put = |word: u32| bytes.extend(word.to_le_bytes());
    put(0x1000_8022); // Device Capabilities: 512 bytes, extended tags, role-based errors, FLR
    put(0x0001_5932); // Device Control: 256 bytes, 4096 read, non-fatal; Status: a correctable error
    put(0x0332_5c84); // Link Capabilities: 16 GT/s, x8, ASPM L0s and L1
    put(0x3042_0042); // Link Control: L1, common clock; Status: 5 GT/s, x4, active, slot clock
    put(0x0018_0060); // Slot Capabilities: number 3, surprise, hot-plug
    put(0x0040_0200); // Slot Control: the power indicator blinks; Status: a card is there
    put(0x0001_0018); // Root Control: PME interrupt, CRS; it can show CRS
    put(0);
    put(0x0000_0820); // Device Capabilities 2
    put(0x0000_0426); // Device Control 2
    put(0x0000_001e); // Link Capabilities 2
    put(0x0001_0003); // Link Control 2
    let (_, express) = with(&bytes);
    for (path, value) in [
        ("type", text("root port")),
        ("slot", Flag(true)),
        ("device.max_payload", Bytes(512)),
        ("device.supported", Set(vec!["extended tags", "role-based error reporting", "FLR"])),
        ("device_control.max_payload", Bytes(256)),
        ("device_control.max_read_request", Bytes(4096)),
        ("device_control.reports", Set(vec!["non-fatal errors"])),
        ("device_status.seen", Set(vec!["correctable errors"])),
        ("link.max_speed", text("16 GT/s")),
        ("link.max_width", text("x8")),
        ("link.aspm", Set(vec!["L0s", "L1"])),
        ("link_control.aspm", Set(vec!["L1"])),
        ("link_status.speed", text("5 GT/s")),
        ("link_status.width", text("x4")),
        ("link_status.status", Set(vec!["slot clock", "link active"])),
        ("slot.number", Number(3)),
        ("slot.has", Set(vec!["surprise removal", "hot-plug"])),
        ("slot_control.power_indicator", text("blinking")),
        ("slot_status.status", Set(vec!["card present"])),
        ("root.enabled", Set(vec!["PME interrupt", "CRS visibility"])),
        ("device_2.supported", Set(vec!["ARI forwarding", "LTR"])),
        ("device_control_2.completion_timeout", text("65 to 210 ms")),
        ("device_control_2.enabled", Set(vec!["ARI forwarding", "LTR"])),
        ("link_2.speeds", Set(vec!["2.5 GT/s", "5 GT/s", "8 GT/s", "16 GT/s"])),
        ("link_control_2.target_speed", text("8 GT/s")),
        ("link_status_2.de_emphasis", text("-3.5 dB")),
    ] {
        assert_eq!(field(&express, path), value, "{path}");
    }
}

#[test]
fn an_integrated_endpoint_has_no_link() {
    let (_, express) = with(&[&[0x10, 0, 0x92, 0][..], &[0; 0x30]].concat());
    assert!(express.parts.iter().all(|part| !part.name.starts_with("link")));
    assert!(!express.is_truncated);
}

#[test]
fn extended_ones() {
    let errors = extended(&[0x0002_0001, 1 << 14, 1 << 22, 1 << 18 | 1 << 4, 1 << 6, 1 << 13, 0xa2]);
    assert_eq!(field(&errors, "uncorrectable.seen"), Set(vec!["completion timeout"]));
    assert_eq!(field(&errors, "uncorrectable.fatal"), Set(vec!["data link protocol", "malformed TLP"]));
    assert_eq!(field(&errors, "correctable.masked"), Set(vec!["advisory non-fatal"]));
    assert_eq!(field(&errors, "control.first_error"), Number(2));
    let serial = extended(&[0x0001_0003, 0xff12_3456, 0x5254_00ff]);
    assert_eq!(field(&serial, "serial_number"), text("52-54-00-ff-ff-12-34-56"));
    let isolation = extended(&[0x0001_000d, 0x001d_005f]);
    assert_eq!(
        field(&isolation, "enabled"),
        Set(vec!["source validation", "request redirect", "completion redirect", "upstream forwarding"])
    );
    let functions = extended(&[
        0x0001_0010,
        0,
        0x19,
        0x0007_0007,
        0x0002,
        0x0001_0080,
        0x10ca_0000,
        0x553,
        1,
        0xfe00_000c,
        0x10,
        0,
        0,
        0,
        0,
    ]);
    assert_eq!(
        (field(&functions, "functions"), field(&functions, "functions_total")),
        (Number(2), Number(7))
    );
    assert_eq!((field(&functions, "device"), field(&functions, "page_size")), (Hex(0x10ca), Bytes(4096)));
    assert_eq!(field(&functions, "bar_0.address"), Hex(0x10_fe00_0000));
    assert!(functions.parts.iter().all(|part| part.name != "bar_1"));
    let latency = extended(&[0x0001_0018, 0x1003_0803]);
    assert_eq!(
        (field(&latency, "max_snoop"), field(&latency, "max_no_snoop")),
        (text("3072 ns"), text("3145728 ns"))
    );
    let bars = extended(&[0x0001_0015, 0x0000_0ff0, 0x0000_0320]);
    assert_eq!(
        (field(&bars, "bar_0.size"), field(&bars, "bar_0.smallest")),
        (Bytes(8 << 20), Bytes(1 << 20))
    );
    assert_eq!(field(&bars, "bar_0.largest"), Bytes(128 << 20));
    let designated = extended(&[0x0001_0023, 0x0381_1e98, 0x0000]);
    assert_eq!(
        (field(&designated, "vendor"), field(&designated, "meaning")),
        (Hex(0x1e98), text("CXL device"))
    );
    let translation = extended(&[0x0001_000f, 0x8001_0020]);
    assert_eq!(
        (field(&translation, "enabled"), field(&translation, "smallest_unit")),
        (Flag(true), Bytes(8192))
    );
    assert_eq!(field(&translation, "invalidate_queue_depth"), Number(32));
}

#[test]
fn fixed_resources() {
    let (_, entries) = with(&[
        0x14, 0, 2, 0, // two entries
        0x03, 0, 0, 0x80, 0x02, 0, 0, 0x10, 0xfc, 0xff, 0x0f, 0, 1, 0, 0, 0, // BAR 0, 64 bits
        0x82, 2, 0, 0, 0, 0xc0, 0, 0, 0xfc, 0, 0, 0, // the ROM
    ]);
    assert_eq!(
        (field(&entries, "entry_0.base"), field(&entries, "entry_0.size")),
        (Hex(0x1_1000_0000), Bytes(1 << 20))
    );
    assert_eq!(
        (field(&entries, "entry_1.for"), field(&entries, "entry_1.kind")),
        (text("ROM"), text("I/O ports"))
    );
    assert_eq!((field(&entries, "entry_1.base"), field(&entries, "entry_1.size")), (Hex(0xc000), Bytes(256)));
}

#[test]
fn what_reaches_beyond_is_said_to() {
    let mut bytes = vec![0_u8; 256];
    (bytes[6], bytes[0x34], bytes[0xf0]) = (0x10, 0xf0, 0x10);
    let config = ConfigSpace::new(bytes).unwrap();
    let decoded = config.decode(config.capabilities().next().unwrap());
    assert!(decoded.is_truncated);
    assert_eq!(field(&decoded, "device.max_payload"), Bytes(128), "what could be read is there");
}

proptest! {
    /// No content is too strange, at any length, for any ID.
    #[test]
    fn any_bytes_are_decoded(
        length in prop::sample::select(vec![64_usize, 100, 256, 260, 1000, 4096]),
        seed in prop::collection::vec(any::<u8>(), 64..4096),
        id in 0_u16..0x100,
        offset in 0x40_u16..0x1000,
    ) {
        let config = ConfigSpace::new(seed.iter().copied().cycle().take(length).collect()).unwrap();
        let _ = config.list_faults();
        let _ = config.bridge();
        for capability in config.capabilities() {
            let _ = config.decode(capability);
        }
        for capability in config.extended_capabilities() {
            let _ = config.decode_extended(capability);
        }
        let any = config.decode(Capability { id: id as u8, offset });
        let also = config.decode_extended(ExtendedCapability { id, version: 1, offset });
        for decoded in [any, also] {
            prop_assert!(decoded.parts.len() <= 64);
            if usize::from(offset) >= length {
                prop_assert!(decoded.parts.is_empty());
            }
        }
    }
}
