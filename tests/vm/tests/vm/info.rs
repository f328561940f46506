//! What `dirql info` says of every function, against what QEMU says of its own devices.

use crate::traffic::no_faults;
use crate::{EDU, NIC, check, test};
use dirql_lab::{Machine, Net, Result};
use libtest_mimic::Trial;
use qapi::qmp::{PciDeviceInfo, query_pci};
use serde_json::{Value, json};

const ROOT_PORT: &str = "0000:00:06.0";
/// Behind the root port.
const E1000E: &str = "0000:01:00.0";
const NVME: &str = "0000:00:07.0";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("info::every_function_is_what_the_machine_says", every_function),
        test("info::an_ordinary_user_sees_more_once_it_is_bound", more),
        test("info::the_kernels_own_vfio_tests_pass_line_by_line", kernels_tests),
    ]
}

fn machine(name: &str) -> Result<Machine> {
    Machine::builder(name)
        .nic("lan", "virtio-net-pci,addr=03.0,disable-legacy=on,iommu_platform=on", Net::User)
        .device("edu,addr=04.0")
        .device("pcie-root-port,id=root_port,chassis=1,slot=1,addr=06.0")
        .nic("fast", "e1000e,bus=root_port,addr=00.0,mac=52:54:00:d1:60:02", Net::User)
        .device("nvme,serial=dirql,addr=07.0")
        .huge_pages(8)
        .boot()
}

fn info(machine: &Machine, address: &str) -> Result<Value> {
    machine.root(&format!("dirql info {address} --json"))?.ok()?.json()
}

/// That a value of the document is this.
fn holds(document: &Value, path: &str, wanted: Value) -> Result<()> {
    let seen = document.pointer(path);
    check(seen == Some(&wanted), || format!("{path} is {seen:?} and not {wanted} in {document:#}"))
}

fn every_function() -> Result<()> {
    let machine = machine("info-functions")?;
    let buses = machine.qmp().execute(&query_pci {})?;
    let (mut functions, mut bars) = (0, 0);
    let mut waiting: Vec<PciDeviceInfo> = buses.into_iter().flat_map(|bus| bus.devices).collect();
    while let Some(function) = waiting.pop() {
        bars += compare(&machine, &function)?;
        functions += 1;
        waiting.extend(function.pci_bridge.and_then(|bridge| bridge.devices).unwrap_or_default());
    }
    check(functions >= 8 && bars >= 10, || format!("{functions} functions with {bars} BARs"))?;
    known_models(&machine)
}

/// Compares a function with what QEMU's monitor says of it; how many BARs there were.
fn compare(machine: &Machine, function: &PciDeviceInfo) -> Result<usize> {
    let address = format!("0000:{:02x}:{:02x}.{}", function.bus, function.slot, function.function);
    let document = info(machine, &address)?;
    holds(&document, "/address", json!(address))?;
    holds(&document, "/vendor", json!(format!("{:04x}", function.id.vendor)))?;
    holds(&document, "/device", json!(format!("{:04x}", function.id.device)))?;
    let class = document["class"].as_str().unwrap_or_default();
    check(class.starts_with(&format!("{:04x}", function.class_info.class)), || {
        format!("{address}: {class}")
    })?;
    holds(&document, "/config/interrupt_pin", json!(function.irq_pin))?;
    holds(&document, "/config/list_faults", json!([]))?;
    if let Some(bridge) = &function.pci_bridge {
        holds(&document, "/config/bridge/secondary", json!(format!("{:#x}", bridge.bus.secondary)))?;
        holds(&document, "/config/bridge/subordinate", json!(format!("{:#x}", bridge.bus.subordinate)))?;
        let memory = &bridge.bus.memory_range;
        if memory.base < memory.limit {
            holds(&document, "/config/bridge/memory/first", json!(format!("{:#x}", memory.base)))?;
            holds(&document, "/config/bridge/memory/last", json!(format!("{:#x}", memory.limit)))?;
        }
    }
    let text = machine.root(&format!("dirql info {address}"))?.ok()?.text();
    check(text.lines().all(|line| line.chars().count() <= 80), || format!("{address}: {text}"))?;
    let mut bars = 0;
    // The ROM is number 6; -1 is the address of what is not enabled.
    for region in function.regions.iter().filter(|region| region.bar < 6 && region.address != -1) {
        bars += 1;
        let found = |list: &Value| {
            list.as_array().and_then(|all| all.iter().find(|one| one["index"] == region.bar).cloned())
        };
        for list in [&document["config"]["bars"], &document["regions"]] {
            let bar = found(list).ok_or_else(|| format!("no BAR {} in {document:#}", region.bar))?;
            holds(&bar, "/size", json!(region.size))?;
            holds(&bar, "/address", json!(format!("{:#x}", region.address)))?;
            holds(&bar, "/kind", json!(if region.type_ == "io" { "io" } else { "memory" }))?;
            if region.type_ == "memory" {
                holds(&bar, "/prefetchable", json!(region.prefetch))?;
                holds(&bar, "/is_64_bit", json!(region.mem_type_64))?;
            }
        }
    }
    Ok(bars)
}

/// A capability of a document, by its name.
fn capability(document: &Value, name: &str) -> Result<Value> {
    let lists = ["capabilities", "extended_capabilities"];
    let all = lists.iter().filter_map(|list| document["config"][list].as_array()).flatten();
    let found = all.into_iter().find(|one| one["name"] == name);
    found.cloned().ok_or_else(|| format!("no {name} in {document:#}").into())
}

/// What QEMU's models are written to have.
fn known_models(machine: &Machine) -> Result<()> {
    let document = info(machine, E1000E)?;
    holds(&document, "/ports/0/address", json!(ROOT_PORT))?;
    holds(&document, "/ports/0/type", json!("root port"))?;
    holds(&document, "/link/downgraded", json!(false))?;
    holds(&document, "/iommu/kind", json!("Intel VT-d"))?;
    holds(&document, "/vectors", json!({ "intx": 1, "msi": 1, "msix": 5 }))?;
    holds(&document, "/iommu_group/reserved_regions/0/kind", json!("msi"))?;
    holds(&document, "/config/source", json!("sysfs"))?;
    let messages = capability(&document, "MSI-X")?;
    holds(&messages, "/decoded/vectors", json!(5))?;
    holds(&messages, "/decoded/table_bar", json!(3))?;
    holds(&messages, "/decoded/pending_offset", json!("0x2000"))?;
    holds(&capability(&document, "PCI Express")?, "/decoded/type", json!("endpoint"))?;
    holds(&capability(&document, "Power Management")?, "/decoded/state", json!("D0"))?;
    let errors = capability(&document, "Advanced Error Reporting")?;
    holds(&errors, "/offset", json!("0x100"))?;
    // Made of the MAC address, with ff-ff in its middle.
    let serial = capability(&document, "Device Serial Number")?;
    holds(&serial, "/decoded/serial_number", json!("52-54-00-ff-ff-d1-60-02"))?;

    let document = info(machine, ROOT_PORT)?;
    holds(&document, "/driver", json!("pcieport"))?;
    let express = capability(&document, "PCI Express")?;
    holds(&express, "/decoded/type", json!("root port"))?;
    holds(&express, "/decoded/slot/number", json!(1))?;
    holds(&capability(&document, "Access Control Services")?, "/version", json!(1))?;

    let document = info(machine, EDU)?;
    holds(&capability(&document, "MSI")?, "/decoded/64_bit", json!(true))?;
    holds(&document, "/link", Value::Null)?;
    let document = info(machine, NVME)?;
    holds(&document, "/class", json!("010802"))?;
    holds(&document, "/driver", Value::Null)?;
    let document = info(machine, NIC)?;
    let virtio = capability(&document, "Vendor-Specific")?;
    check(virtio["decoded"]["virtio"].is_string(), || format!("{virtio:#}"))?;
    Ok(())
}

fn more() -> Result<()> {
    let machine = machine("info-more")?;
    let user = |words: &str| machine.user("demo", words)?.ok();
    let ask = format!("dirql info {E1000E}");
    let before = user(&format!("{ask} --json"))?.json()?;
    holds(&before, "/config/complete", json!(false))?;
    holds(&before, "/config/bytes", json!(64))?;
    holds(&before, "/config/capabilities", json!([]))?;
    holds(&before, "/usable", json!(false))?;
    holds(&before, "/regions/0/size", json!(128 << 10))?;
    let text = user(&ask)?.text();
    // Broken into lines, the sentence is one all the same.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    check(text.contains(&format!("sudo dirql info {E1000E}")), || text)?;

    machine.root(&format!("dirql bind {E1000E} --owner demo"))?.ok()?;
    let bound = user(&format!("{ask} --json"))?.json()?;
    holds(&bound, "/usable", json!(true))?;
    holds(&bound, "/config/source", json!("VFIO"))?;
    holds(&bound, "/config/complete", json!(true))?;
    holds(&bound, "/vectors/msix", json!(5))?;
    holds(&bound, "/iommu_group/node_owner", json!("demo:root 0600"))?;
    holds(&bound, "/vfio/resettable", json!(true))?;
    holds(&capability(&bound, "MSI-X")?, "/decoded/vectors", json!(5))?;
    let ranges = bound["vfio"]["iova_ranges"].as_array().map_or(0, Vec::len);
    check(ranges >= 2, || format!("{bound:#}"))?;

    // Who has it is told, by root and by the one who has it.
    let running = machine.command(&format!("dirql run {E1000E}")).user("demo").spawn()?;
    running.until(std::time::Duration::from_secs(30), |output| output.text().contains("link"))?;
    let held = info(&machine, E1000E)?;
    holds(&held, "/iommu_group/holders/0/command", json!("dirql"))?;
    holds(&held, "/usable", json!(false))?;
    running.signal(2)?;
    running.wait(std::time::Duration::from_secs(30))?.ok().map(drop)
}

fn kernels_tests() -> Result<()> {
    let machine = machine("info-selftest")?;
    machine.root(&format!("dirql bind {E1000E} {EDU} --owner demo"))?.ok()?;
    for (device, resets) in [(E1000E, "pass"), (EDU, "absent")] {
        let document = machine.user("demo", &format!("dirql selftest {device} --json"))?.ok()?.json()?;
        let results = document["results"].as_array().ok_or("no results")?;
        let is = |name: &str, wanted: &str| {
            let found = results.iter().find(|one| one["name"] == name);
            let outcome = found.map(|one| &one["outcome"]);
            check(outcome == Some(&json!(wanted)), || format!("{device}: {name}: {found:?} in {document:#}"))
        };
        for name in [
            "config_space_read_write: vendor",
            "config_space_read_write: device",
            "config_space_read_write: off",
            "config_space_read_write: set",
            "config_space_read_write: clear",
            "validate_bars: BAR 0",
            "vfio_pci_irq_test intx: trigger",
            "vfio_pci_irq_test msi: trigger",
            "vfio_pci_irq_test msi: disable",
            "dma_map_unmap anonymous: map",
            "dma_map_unmap anonymous: unmap",
            "dma_map_unmap anonymous: gone",
            "dma_map_unmap hugetlb_2mb: map",
            "dma_map_unmap hugetlb_2mb: gone",
            "dma_map_unmap 2mb: unmap",
            "dma_map_limit unmap_range: unmap",
            "dma_map_limit unmap_all: unmap",
            "dma_map_limit overflow: map",
            "dma_map_limit overflow: unmap",
            "dma_mapping_mmio: map_full_bar",
            "dma_mapping_mmio: map_partial_bar",
            "dma mappings left",
            "dma refuses: mapped twice",
            "dma refuses: overlap",
            "dma refuses: unmap of a part",
            "dma refuses: unmap twice",
            "dma refuses: no length",
            "dma refuses: unaligned IOVA",
            "dma refuses: unaligned memory",
            "dma refuses: outside the ranges",
        ] {
            is(name, "pass")?;
        }
        // The kernel has no debugfs of the IOMMU, the machine no page of 1 GiB.
        is("dma_map_unmap anonymous: page", "absent")?;
        is("dma_map_unmap hugetlb_1gb: map", "absent")?;
        is("reset", resets)?;
        let text = machine.user("demo", &format!("dirql selftest {device}"))?.ok()?.text();
        check(text.lines().count() >= results.len(), || text)?;
    }
    no_faults(&machine)
}
