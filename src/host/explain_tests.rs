//! Tests of the causes, on a machine in a directory.

use super::super::fake::Machine;
use super::*;

const NIC: &str = "0000:01:00.0";
const TWIN: &str = "0000:01:01.0";

fn pair(first: &str, second: Option<&str>) -> (Machine, Address) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some(first), Some(5));
    machine.function(TWIN, 0x8086, 0x100e, second, Some(5));
    (machine, NIC.parse().unwrap())
}

fn check(error: &Error, kind: ErrorKind, code: Code, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!((error.kind(), error.catalogue_code()), (kind, Some(code)), "{text}");
    assert!(text.contains(&format!("see: dirql explain {code}")), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn no_permission_names_the_owner() {
    let (machine, address) = pair("vfio-pci", None);
    let error = machine.host().explain_open_group(address, 5, Errno::EACCES);
    check(&error, ErrorKind::Permission, Code::E1, &["dev/vfio/5", "the node is ", "sudo dirql bind"]);
}

#[test]
fn a_missing_node_has_several_causes() {
    let (machine, address) = pair("e1000", None);
    let host = machine.host();
    let open = || host.explain_open_group(address, 5, Errno::ENOENT);
    check(
        &open(),
        ErrorKind::Precondition,
        Code::E2,
        &["driver e1000 has it", "sudo dirql bind 0000:01:00.0"],
    );
    let (machine, address) = pair("vfio-pci", None);
    let host = machine.host();
    std::fs::remove_file(machine.path("dev/vfio/5")).unwrap();
    let open = || host.explain_open_group(address, 5, Errno::ENOENT);
    check(&open(), ErrorKind::Precondition, Code::E2, &["container"]);
    machine.file("dev/vfio/noiommu-5", "");
    check(&open(), ErrorKind::Precondition, Code::E6, &["noiommu-5"]);
    let error = host.explain_open_group(address, 77, Errno::ENOENT);
    assert!(error.to_string().contains("gone"), "{error}");
}

#[test]
fn busy_names_the_holder() {
    let (machine, address) = pair("vfio-pci", None);
    let host = machine.host();
    let busy = || host.explain_open_group(address, 5, Errno::EBUSY);
    check(&busy(), ErrorKind::Busy, Code::E7, &["try again"]);
    machine.process(812, "dirql", &["dev/vfio/5"]);
    check(&busy(), ErrorKind::Busy, Code::E7, &["held by process 812 (dirql, user ", "kill 812"]);
    machine.process(std::process::id(), "test", &["dev/vfio/5"]);
    check(&busy(), ErrorKind::Busy, Code::E7, &["this process holds"]);
}

#[test]
fn not_viable_names_function_and_driver() {
    let (machine, address) = pair("vfio-pci", Some("e1000"));
    let host = machine.host();
    let parts = ["0000:01:01.0 (e1000) is still", "sudo dirql bind --group 5 --owner $USER"];
    check(&host.explain_not_viable(address, 5), ErrorKind::Precondition, Code::E4, &parts);
    let error = host.explain_set_container(address, 5, Errno::EPERM);
    check(&error, ErrorKind::Precondition, Code::E4, &parts);
    check(&host.explain_set_iommu(address, 5, Errno::EPERM), ErrorKind::Precondition, Code::E4, &parts);
}

#[test]
fn no_interrupt_remapping_is_told_from_another_owner() {
    let (machine, address) = pair("vfio-pci", None);
    let host = machine.host();
    let error = host.explain_set_iommu(address, 5, Errno::EPERM);
    check(&error, ErrorKind::Precondition, Code::E5, &["intremap=on", "kernel-irqchip=split"]);
    machine.process(812, "qemu", &["dev/vfio/5"]);
    check(&host.explain_set_iommu(address, 5, Errno::EPERM), ErrorKind::Busy, Code::E5, &["812 (qemu"]);
    let error = host.explain_set_iommu(address, 5, Errno::ENODEV);
    check(&error, ErrorKind::Precondition, Code::E8, &["modprobe vfio_iommu_type1"]);
}

#[test]
fn the_device_of_a_group_may_be_elsewhere() {
    let (machine, address) = pair("e1000", Some("vfio-pci"));
    let host = machine.host();
    let error = host.explain_get_device(address, 5, Errno::ENODEV);
    check(&error, ErrorKind::Precondition, Code::E2, &["driver e1000 has it"]);
    let error = host.explain_get_device(TWIN.parse().unwrap(), 6, Errno::ENODEV);
    check(&error, ErrorKind::NotFound, Code::E8, &["not in group 6"]);
    let error = host.explain_get_device("0000:01:02.0".parse().unwrap(), 5, Errno::ENODEV);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("dirql list"));
}

#[test]
fn a_made_up_group_is_named_as_such() {
    let (machine, address) = pair("vfio-pci", None);
    machine.file("sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
    let error = machine.host().explain_open_group(address, 5, Errno::EPERM);
    check(&error, ErrorKind::Permission, Code::E6, &["CAP_SYS_RAWIO"]);
}
