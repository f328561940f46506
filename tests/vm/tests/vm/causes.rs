//! Causes that one errno has several of: each is provoked in a kernel, and told apart.

use crate::{EDU, NIC, check, test};
use dirql_lab::{Guest, Iommu, Machine, Net, Output, Result};
use libtest_mimic::Trial;
use serde_json::Value;

const PRECONDITION: i32 = 3;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    vec![
        test("causes::nodes_and_modules_that_are_missing", missing),
        test("causes::steps_in_the_wrong_order", container),
        test("causes::mappings_interrupts_and_registers", opened),
        test("causes::fewer_vectors_than_were_asked_for", fewer),
        test("causes::virtual_functions", virtual_functions),
        test("causes::a_device_that_is_silent", silent),
    ]
}

/// What is said of one provocation: code, errno, exit code, a part of why, a part of what to do.
type Row<'a> = (&'a str, &'a str, Option<&'a str>, i32, &'a str, &'a str);

/// Checks an error's fields.
fn is(
    name: &str,
    error: &Value,
    (code, errno, exit, why, fix): (&str, Option<&str>, i32, &str, &str),
) -> Result<()> {
    let holds = error["code"] == code
        && error["errno"].as_str() == errno
        && error["exit_code"] == exit
        && error["why"].as_str().is_some_and(|text| text.contains(why))
        && error["fix"].as_str().is_some_and(|text| text.contains(fix));
    check(holds, || format!("{name}: wanted {code} {errno:?} {exit} {why:?} {fix:?} in {error}"))
}

/// Checks what the probe told of each provocation; it told of no other.
fn told(output: Output, rows: &[Row]) -> Result<()> {
    let document = output.ok()?.json()?;
    for (name, code, errno, exit, why, fix) in rows {
        is(name, &document[name], (code, *errno, *exit, why, fix))?;
    }
    let told = document.as_object().map_or(0, serde_json::Map::len);
    check(told == rows.len(), || format!("{told} provocations, and not {}: {document}", rows.len()))
}

/// Runs the command with `--json`, and checks the refusal and its exit code.
fn refuses(
    machine: &Guest,
    user: &str,
    words: &str,
    row: (&str, Option<&str>, i32, &str, &str),
) -> Result<()> {
    let output = machine.user(user, &format!("{words} --json"))?.exits(row.2)?;
    check(output.stdout.is_empty(), || format!("standard output is not empty\n{output}"))?;
    let document: Value = serde_json::from_slice(&output.stderr)?;
    is(words, &document["error"], row)
}

fn missing() -> Result<()> {
    let machine = Machine::builder("causes-missing").device("edu,addr=04.0").boot()?;
    let bind = format!("dirql bind {EDU} --owner demo");
    machine.root(&bind)?.ok()?;
    let node = machine
        .shell(&format!("echo /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{EDU}/iommu_group))"))?;
    let node = node.ok()?.text().trim().to_owned();
    let (selftest, given) = (format!("dirql selftest {EDU}"), format!("--device {node}"));
    let says =
        |errno, why, fix| refuses(&machine, "demo", &selftest, ("E2", Some(errno), PRECONDITION, why, fix));
    let paste = |line: &str| machine.shell(line)?.ok().map(drop);

    paste(&format!("mv {node} /dev/kept"))?;
    says("ENOENT", "the kernel has the node, and /dev has not", "udevadm settle")?;
    paste("mkdir -p /run && touch /run/.containerenv")?;
    says("ENOENT", "this container was not given the node", &given)?;
    paste(&format!("mv /dev/kept {node} && mv /dev/vfio/vfio /dev/kept"))?;
    says("ENOENT", "this container was not given the node", "--device /dev/vfio/vfio")?;
    paste("mv /dev/kept /dev/vfio/vfio && rm /run/.containerenv")?;
    paste("chmod 600 /dev/vfio/vfio")?;
    let mode = ("E1", Some("EACCES"), 4, "mode was changed", "sudo chmod 0666 /dev/vfio/vfio");
    refuses(&machine, "demo", &selftest, mode)?;
    paste("chmod 0666 /dev/vfio/vfio")?;

    // What it says helps.
    paste("rmmod vfio_iommu_type1")?;
    let type1 = (
        "E8",
        Some("ENODEV"),
        PRECONDITION,
        "vfio_iommu_type1 is not loaded",
        "sudo modprobe vfio_iommu_type1",
    );
    refuses(&machine, "demo", &selftest, type1)?;
    paste("modprobe vfio_iommu_type1")?;
    machine.user("demo", &selftest)?.ok()?;

    machine.root(&format!("dirql restore {EDU}"))?.ok()?;
    let bound = ("E2", None, PRECONDITION, "it is not bound to vfio-pci", "sudo dirql bind");
    refuses(&machine, "demo", &selftest, bound)?;
    let bridge = ("E3", None, PRECONDITION, "it is a bridge", "behind it");
    refuses(&machine, "root", "dirql bind 0000:00:1f.0", bridge)?;
    let module = "mv /lib/modules/*/kernel/drivers/vfio/pci/vfio-pci.ko /tmp/ && rmmod vfio_pci";
    paste(module)?;
    let module = ("E3", None, PRECONDITION, "the module vfio-pci is not loaded", "sudo modprobe vfio-pci");
    refuses(&machine, "root", &bind, module)
}

fn container() -> Result<()> {
    let machine = Machine::builder("causes-container")
        .device("edu,addr=04.0")
        .device("edu,addr=05.0")
        .device("pcie-pci-bridge,id=bridge,addr=06.0")
        .device("edu,bus=bridge,addr=01.0")
        .device("edu,bus=bridge,addr=02.0")
        .boot()?;
    let [other, one, two] = ["0000:00:05.0", "0000:01:01.0", "0000:01:02.0"];
    machine.root(&format!("dirql bind {EDU} {other} {one} {two} --owner demo"))?.ok()?;
    let probe = |words: &str| machine.user("demo", &format!("dirql-lab-probe refusals {words}"));
    let order = "set yet";
    told(
        probe(&format!("container {EDU} {other}"))?,
        &[
            ("a device before the container", "E8", Some("EINVAL"), 3, order, "before a device is asked for"),
            ("an IOMMU without a group", "E8", Some("EINVAL"), 3, "no group yet", "join the group first"),
            ("a mapping without an IOMMU", "E10", Some("EINVAL"), 2, "no IOMMU set yet", "Device::dma"),
            (
                "a second container",
                "E8",
                Some("EINVAL"),
                5,
                "in a container already",
                "through one container",
            ),
            ("a device before the IOMMU", "E8", Some("EINVAL"), 3, order, "before a device is asked for"),
            ("a second IOMMU", "E8", Some("EINVAL"), 3, "set already", "set the IOMMU once"),
            ("a device of another group", "E8", Some("ENODEV"), 6, "not in group", "its own group"),
            (
                "a mapping for nobody",
                "E10",
                Some("EINVAL"),
                2,
                "neither readable nor writable",
                "Device::dma",
            ),
            ("a newer request", "E14", Some("ENOTTY"), 3, "this kernel (6.1", "uses the group interface"),
        ],
    )?;
    let here = ("E7", Some("EBUSY"), 5, "this process holds the group already", "drop the earlier device");
    let (code, errno, exit, why, fix) = here;
    let rows = ["itself", "its neighbour"].map(|name| (name, code, errno, exit, why, fix));
    told(probe(&format!("twice {one} {two}"))?, &rows)
}

fn opened() -> Result<()> {
    let machine = Machine::builder("causes-opened")
        .nic("lan", "e1000,addr=03.0", Net::User)
        .nic("express", "e1000e,addr=05.0", Net::User)
        .boot()?;
    let express = "0000:00:05.0";
    machine.root(&format!("dirql bind {NIC} {express} --owner demo"))?.ok()?;
    let probe = |words: &str| machine.user("demo", &format!("dirql-lab-probe refusals {words}"));
    machine.shell("echo 8 > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit")?.ok()?;
    let einval = Some("EINVAL");
    let dma = "Device::dma";
    told(
        probe(&format!("memory {NIC}"))?,
        &[
            ("nothing", "E10", einval, 2, "length is 0", dma),
            ("an IOVA that is not aligned", "E10", einval, 2, "multiples of the page size", dma),
            ("a length that is not", "E10", einval, 2, "multiples of the page size", dma),
            ("memory that is not", "E10", einval, 2, "memory's address is not page-aligned", dma),
            ("a range that wraps", "E10", einval, 2, "wraps around", dma),
            ("the window of interrupts", "E10", einval, 2, "0xfef00000", dma),
            ("more bits than there are", "E10", einval, 2, "0x7fffffffff", dma),
            ("no memory", "E10", Some("EFAULT"), 2, "memory behind the mapping is not there", dma),
            ("one too many", "E10", Some("ENOSPC"), 3, "8 mappings are used up", "larger pieces"),
            ("an overlap", "E10", Some("EEXIST"), 2, "overlaps", dma),
            ("beyond the device", "E10", None, 3, "below 0xfff, where the device reaches", "ask for less"),
        ],
    )?;
    told(
        probe(&format!("interrupts {express}"))?,
        &[
            ("two of INTx", "E11", einval, 2, "INTx is one vector", "one vector"),
            ("more MSI-X than there are", "E11", einval, 2, "has 5 MSI-X vectors", "at most 5"),
            ("a mask of MSI", "E11", Some("ENOTTY"), 1, "cannot mask MSI", "own registers"),
            ("INTx beside MSI-X", "E11", einval, 2, "MSI-X is on", "switch MSI-X off first"),
            ("MSI-X that grows", "E14", einval, 3, "this kernel (6.1", "all vectors at once"),
        ],
    )?;
    told(
        probe(&format!("interrupts {NIC}"))?,
        &[
            ("two of INTx", "E11", einval, 2, "INTx is one vector", "one vector"),
            ("more MSI-X than there are", "E11", einval, 3, "has no MSI-X", "dirql info"),
            ("errors of no PCI Express", "E11", einval, 3, "PCI Express", "do without"),
            ("an error source of no PCI Express", "E11", None, 3, "PCI Express", "do without"),
            ("a mask of MSI", "E11", einval, 3, "has no MSI", "dirql info"),
            ("no MSI-X", "E11", None, 3, "has no MSI-X", "dirql info"),
        ],
    )?;
    let gone = Some("EIO");
    let told_of = |device: &str, rows: &[Row]| {
        let document = probe(&format!("registers {device}"))?.ok()?.json()?;
        rows.iter().try_for_each(|(name, code, errno, exit, why, fix)| {
            is(name, &document[name], (code, *errno, *exit, why, fix))
        })?;
        check(document["mapping of BAR 0"].is_null(), || format!("BAR 0 cannot be mapped: {document}"))
    };
    let off = ("without memory decoding", "E12", gone, 7, "memory decoding is off", "open the device anew");
    let ports = ("mapping of BAR 1", "E12", einval, 3, "I/O ports", "by calls");
    told_of(NIC, &[ports, off])?;
    told_of(express, &[off, ("asleep", "E12", gone, 7, "power state D3hot", "open the device anew")])
}

fn fewer() -> Result<()> {
    let machine = Machine::builder("causes-fewer")
        .iommu(Iommu::NoInterruptRemapping)
        .device("nec-usb-xhci,addr=04.0,msi=on,msix=off")
        .boot()?;
    machine.root(&format!("dirql bind {EDU} --owner demo"))?.ok()?;
    let remapping = ("E5", Some("EPERM"), PRECONDITION, "does not remap interrupts", "intremap=on");
    refuses(&machine, "demo", &format!("dirql selftest {EDU}"), remapping)?;
    machine.shell("echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")?.ok()?;
    let document = machine.user("demo", &format!("dirql-lab-probe refusals messages {EDU}"))?.ok()?.json()?;
    let refused = ("E11", None, PRECONDITION, "the machine has 1 to give", "ask for at most 1");
    is("sixteen", &document["sixteen"], refused)?;
    // The best mode takes what there is.
    let best = serde_json::json!({ "mode": "msi", "count": 1 });
    check(document["the best"] == best, || format!("{document}"))
}

/// A controller that makes functions, on its kernel driver and on vfio-pci.
fn virtual_functions() -> Result<()> {
    let machine = Machine::builder("causes-sriov")
        .device("pcie-root-port,id=port0,chassis=1,slot=1,addr=06.0")
        .device("nvme-subsys,id=subsystem,nqn=lab")
        .device(
            "nvme,bus=port0,serial=lab,subsys=subsystem,max_ioqpairs=8,msix_qsize=9,sriov_max_vfs=2,\
             sriov_vq_flexible=4,sriov_vi_flexible=2",
        )
        .module("nvme")
        .boot()?;
    let (physical, function) = ("0000:01:00.0", "0000:01:00.1");
    let count = format!("/sys/bus/pci/devices/{physical}/sriov_numvfs");
    machine.shell(&format!("echo 2 > {count}"))?.ok()?;
    let on = ("E3", None, 5, "2 virtual functions (SR-IOV) of it are on", "sriov_numvfs");
    refuses(&machine, "root", &format!("dirql bind {physical}"), on)?;
    // What it says is to be done helps.
    machine.shell(&format!("echo 0 | tee {count}"))?.ok()?;
    machine.root(&format!("dirql bind {physical} --force"))?.ok()?;
    machine
        .shell(&format!("echo 1 > /sys/module/vfio_pci/parameters/enable_sriov && echo 1 > {count}"))?
        .ok()?;
    machine.root(&format!("dirql bind {function} --owner demo"))?.ok()?;
    let token = ("E8", Some("EACCES"), 4, "asks for a token (vf_token)", "physical function first");
    refuses(&machine, "demo", &format!("dirql selftest {function}"), token)
}

fn silent() -> Result<()> {
    let machine = Machine::builder("causes-silent")
        .device("edu,addr=04.0")
        .device("virtio-rng-pci,addr=05.0,disable-legacy=on")
        .boot()?;
    let virtio = "0000:00:05.0";
    machine.root(&format!("dirql bind {EDU} {virtio} --owner demo"))?.ok()?;
    let words = format!("dirql-lab-probe refusals silence {EDU}");
    let off = "the buffer does not change; bus mastering is off; interrupts of MSI vector 0: 0; ";
    let master = "Device::set_bus_master";
    // Only root reads the kernel's log; another is told so.
    let hidden = "the kernel's log cannot be read (EPERM)";
    told(
        machine.user("demo", &words)?,
        &[
            ("bus mastering is off", "E15", None, 7, off, master),
            ("not mapped", "E15", None, 7, hidden, "sudo dmesg"),
        ],
    )?;
    let own = "Lent::iova";
    let unmapped = "next 1, done 0; the IOMMU refused a read at IOVA 0x5000000 by 0000:00:04.0";
    told(
        machine.root(&words)?,
        &[
            ("bus mastering is off", "E15", None, 7, off, master),
            ("not mapped", "E15", None, 7, unmapped, own),
        ],
    )?;
    let platform = ("E15", None, PRECONDITION, "does not offer ACCESS_PLATFORM", "iommu_platform=on");
    refuses(&machine, "demo", &format!("dirql random {virtio} -o /tmp/seed --bytes 16"), platform)
}
