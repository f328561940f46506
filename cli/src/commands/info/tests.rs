use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

#[test]
fn sizes_are_whole() {
    let shown: Vec<_> = [0, 64, 1024, 1536, 131_072, 1 << 40, u64::MAX].into_iter().map(bytes).collect();
    assert_eq!(shown[..5], ["0 bytes", "64 bytes", "1 KiB", "1536 bytes", "128 KiB"]);
    assert_eq!((shown[5].as_str(), shown[6].as_str()), ("1 TiB", "18446744073709551615 bytes"));
}

/// Whatever functions this machine has, none may make it fail, and none may need more than 80 columns.
#[test]
fn describes_every_function_of_this_machine() {
    let host = Host::system();
    for function in host.functions().unwrap_or_default() {
        if function.is_on_vfio() {
            continue;
        }
        let known = Known::of(&host, function).unwrap();
        let text = known.text(&str::to_string);
        assert!(text.contains("Configuration space"));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(known.document()["address"].is_string());
    }
}

/// A machine with a root port, and an endpoint behind it whose configuration space is `config`.
fn machine(root: &Path, config: &[u8]) {
    let port = root.join("sys/devices/pci0000:00/0000:00:06.0");
    let device = port.join("0000:01:00.0");
    let group = root.join("sys/kernel/iommu_groups/5");
    let links = root.join("sys/bus/pci/devices");
    for directory in [&device.join("power"), &group.join("devices"), &links, &root.join("proc")] {
        fs::create_dir_all(directory).unwrap();
    }
    for (file, text) in [
        ("vendor", "0x8086"),
        ("device", "0x10d3"),
        ("subsystem_vendor", "0x8086"),
        ("subsystem_device", "0xa01f"),
        ("class", "0x020000"),
        ("resource", "0xfe840000 0xfe85ffff 0x40200\n0xc000 0xc01f 0x40101"),
        ("power_state", "D0"),
        ("power/runtime_status", "active"),
        ("d3cold_allowed", "1"),
        ("dma_mask_bits", "64"),
        ("local_cpulist", "0-1"),
        ("numa_node", "0"),
        ("reset_method", "flr bus"),
        ("current_link_speed", "2.5 GT/s PCIe"),
        ("current_link_width", "1"),
        ("max_link_speed", "5.0 GT/s PCIe"),
        ("max_link_width", "4"),
        ("sriov_totalvfs", "7"),
        ("irq", "11"),
    ] {
        fs::write(device.join(file), format!("{text}\n")).unwrap();
    }
    fs::write(device.join("config"), config).unwrap();
    for (file, text) in [("vendor", "0x1b36"), ("device", "0x000c"), ("class", "0x060400")] {
        fs::write(port.join(file), format!("{text}\n")).unwrap();
    }
    fs::write(port.join("config"), port_config()).unwrap();
    symlink("../../../../../kernel/iommu_groups/5", device.join("iommu_group")).unwrap();
    symlink("../../../../virtual/iommu/dmar0", device.join("iommu")).unwrap();
    symlink("../../../../../bus/pci/drivers/e1000e", device.join("driver")).unwrap();
    symlink("../../../devices/pci0000:00/0000:00:06.0", links.join("0000:00:06.0")).unwrap();
    symlink("../../../devices/pci0000:00/0000:00:06.0/0000:01:00.0", links.join("0000:01:00.0")).unwrap();
    fs::write(group.join("devices/0000:01:00.0"), "").unwrap();
    fs::write(group.join("type"), "DMA-FQ\n").unwrap();
    fs::write(group.join("reserved_regions"), "0xfee00000 0xfeefffff msi\n").unwrap();
}

/// A root port with two access controls on.
fn port_config() -> Vec<u8> {
    let mut config = vec![0_u8; 4096];
    (config[6], config[0x0e], config[0x34]) = (0x10, 1, 0x40);
    config[0x40..0x44].copy_from_slice(&[0x10, 0, 0x42, 0]);
    config[0x100..0x108].copy_from_slice(&[0x0d, 0, 1, 0, 0x1f, 0, 0x05, 0]);
    config
}

fn device_config() -> Vec<u8> {
    let mut config = vec![0_u8; 4096];
    config[..4].copy_from_slice(&[0x86, 0x80, 0xd3, 0x10]);
    (config[4], config[6], config[0x34], config[0x3d]) = (0x06, 0x10, 0xc8, 1);
    config[0x10..0x14].copy_from_slice(&0xfe84_0000_u32.to_le_bytes());
    config[0xc8..0xce].copy_from_slice(&[0x01, 0xd0, 0x02, 0xc8, 0, 0]);
    config[0xd0..0xd4].copy_from_slice(&[0x77, 0, 0xab, 0xcd]);
    config[0x100..0x10c].copy_from_slice(&[3, 0, 1, 0, 0x56, 0x34, 0x12, 0xff, 0xff, 0, 0x54, 0x52]);
    config
}

fn known(config: &[u8]) -> (tempfile::TempDir, Known) {
    let root = tempfile::tempdir().unwrap();
    machine(root.path(), config);
    let host = Host::at(root.path());
    let function = host.resolve("01:00.0").unwrap();
    let known = Known::of(&host, function).unwrap();
    (root, known)
}

#[test]
fn the_document_has_its_keys() {
    let (_root, known) = known(&device_config());
    let document = known.document();
    for (path, value) in [
        ("/address", json!("0000:01:00.0")),
        ("/class_name", json!("Ethernet controller")),
        ("/driver", json!("e1000e")),
        ("/dirql_driver", json!("e1000")),
        ("/power/state", json!("D0")),
        ("/power/runtime_status", json!("active")),
        ("/power/d3cold_allowed", json!(true)),
        ("/link/width", json!(1)),
        ("/link/max_speed", json!("5.0 GT/s")),
        ("/link/downgraded", json!(true)),
        ("/ports/0/address", json!("0000:00:06.0")),
        ("/ports/0/type", json!("root port")),
        ("/ports/0/acs", json!(["source validation", "request redirect"])),
        ("/sriov/total", json!(7)),
        ("/kernel_interrupts/mode", json!("intx")),
        ("/numa_node", json!(0)),
        ("/local_cpus", json!("0-1")),
        ("/dma_mask_bits", json!(64)),
        ("/iommu/kind", json!("Intel VT-d")),
        ("/reset_methods", json!(["flr", "bus"])),
        ("/regions/0/name", json!("BAR 0")),
        ("/regions/0/size", json!(131_072)),
        ("/regions/1/kind", json!("io")),
        ("/iommu_group/number", json!(5)),
        ("/iommu_group/translation", json!("DMA-FQ")),
        ("/iommu_group/reserved_regions/0/kind", json!("msi")),
        ("/iommu_group/holders", json!([])),
        ("/config/source", json!("sysfs")),
        ("/config/command_bits", json!(["memory space", "bus master"])),
        ("/config/capabilities/0/decoded/state", json!("D0")),
        ("/config/capabilities/1/name", json!("Unknown")),
        ("/config/extended_capabilities/0/decoded/serial_number", json!("52-54-00-ff-ff-12-34-56")),
        ("/config/list_faults", json!([])),
        ("/vectors", json!({ "intx": 1, "msi": 0, "msix": 0 })),
        ("/usable", json!(false)),
    ] {
        assert_eq!(document.pointer(path), Some(&value), "{path} of {document:#}");
    }
    assert!(document["subsystem_name"].is_string() && document["why_not"].is_string());
}

#[test]
fn the_text_fits_80_columns_and_tells() {
    let (_root, known) = known(&device_config());
    let text = known.text(&str::to_string);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for words in [
        "0000:01:00.0  Intel Corporation 82574L",
        "behind        0000:00:06.0 (root port) → 0000:01:00.0",
        "ACS           0000:00:06.0: source validation, request redirect",
        "link          2.5 GT/s x1 of 5.0 GT/s x4: lanes are missing",
        "power         D0, runtime active, D3cold allowed",
        "SR-IOV        0 of 7 virtual functions on",
        "IOMMU         dmar0, Intel VT-d",
        "reserved      0xfee00000 to 0xfeefffff  msi",
        "BAR 0         128 KiB    memory at 0xfe840000",
        "[0c8] Power Management",
        "state D0; version 2; pme from D0, D3hot, D3cold",
        "[0d0] Unknown (ID 0x77)\n        77 00 ab cd",
        "[100] Device Serial Number v1",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn an_ordinary_user_is_told_how_to_see_more() {
    let (_root, known) = known(&device_config()[..64]);
    let (text, document) = (known.text(&str::to_string), known.document());
    assert!(text.contains("sudo dirql info 0000:01:00.0"), "{text}");
    assert_eq!(document["config"]["complete"], false);
    assert_eq!(document["config"]["capabilities"], json!([]));
}

#[test]
fn a_list_without_end_is_an_error_told() {
    let mut config = device_config();
    config[0xd1] = 0xc8;
    let (_root, known) = known(&config);
    let text = known.text(&str::to_string);
    assert!(text.contains("error: the list breaks off: the pointer at 0xd1 leads to 0xc8"), "{text}");
    assert_eq!(known.document()["config"]["list_faults"].as_array().unwrap().len(), 1);
}
