//! Tests of the bind transaction on a machine in a directory.

use nix::errno::Errno;

use super::super::fake::Machine;
use super::*;

const NIC: &str = "0000:00:03.0";

fn nic() -> (Machine, Address) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    (machine, NIC.parse().unwrap())
}

#[test]
fn binds_step_by_step_and_gives_the_node() {
    let (machine, address) = nic();
    machine.fail_at(None);
    let options = BindOptions { owner: Some("7:8".parse().unwrap()), force: false, persist: false };
    let bound = machine.host().bind(address, &options).unwrap();
    assert_eq!(
        machine.log(),
        [
            "save",
            "driver_override vfio-pci",
            "unbind 0000:00:03.0",
            "drivers_probe 0000:00:03.0",
            "driver_override ",
            "give 3 Some(7) Some(8) 0660",
        ]
    );
    assert_eq!((bound.group, bound.previous_driver.as_deref()), (3, Some("e1000")));
    assert!(!bound.was_bound && bound.blocking.is_empty());
    assert_eq!(machine.driver(NIC).as_deref(), Some("vfio-pci"));
    assert_eq!(machine.override_of(NIC).as_deref(), Some("(null)"));
    let records = machine.host().records().unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].previous_driver.as_deref(), Some("e1000"));
}

#[test]
fn binding_again_is_success_and_keeps_the_record() {
    let (machine, address) = nic();
    let host = machine.host();
    host.bind(address, &BindOptions::default()).unwrap();
    machine.fail_at(None);
    let again = host.bind(address, &BindOptions::default()).unwrap();
    assert!(again.was_bound);
    assert_eq!(again.previous_driver.as_deref(), Some("e1000"));
    assert!(machine.log().is_empty());
}

#[test]
fn any_failing_write_is_taken_back() {
    let options = BindOptions { owner: Some("7".parse().unwrap()), force: false, persist: false };
    for n in 1.. {
        let (machine, address) = nic();
        machine.fail_at(Some(n));
        let result = machine.host().bind(address, &options);
        if machine.log().len() < n {
            assert!(result.is_ok() && n > 5);
            break;
        }
        let step = &machine.log()[n - 1];
        // A failing probe leaves a driver to be asked directly only after the probe; it fails the bind.
        assert!(result.is_err(), "{step}");
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"), "{step}");
        assert_eq!(machine.override_of(NIC).as_deref(), Some("(null)"), "{step}");
        assert!(machine.host().records().unwrap().is_empty(), "{step}");
    }
}

#[test]
fn without_root_it_says_sudo() {
    let (machine, address) = nic();
    machine.fail_at(Some(1));
    machine.fail_with(Errno::EACCES);
    let error = machine.host().bind(address, &BindOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.kind().exit_code()), (ErrorKind::Permission, 4));
    assert!(error.to_string().contains("sudo dirql bind 0000:00:03.0 --owner $USER"), "{error}");
}

#[test]
fn a_driverless_function_stays_so_after_a_failure() {
    let machine = Machine::new();
    machine.function(NIC, 0x1234, 0x11e8, None, Some(3));
    machine.refuse(Some(Errno::EINVAL));
    machine.host().bind(NIC.parse().unwrap(), &BindOptions::default()).unwrap_err();
    assert_eq!(machine.driver(NIC), None);
    assert_eq!(machine.override_of(NIC).as_deref(), Some("(null)"));
}

#[test]
fn a_refusal_of_the_driver_is_explained_and_taken_back() {
    for (errno, kind) in [(Errno::EINVAL, ErrorKind::Precondition), (Errno::EBUSY, ErrorKind::Busy)] {
        let (machine, address) = nic();
        machine.refuse(Some(errno));
        let error = machine.host().bind(address, &BindOptions::default()).unwrap_err();
        assert_eq!((error.kind(), error.raw_errno()), (kind, Some(errno)));
        assert_eq!(error.catalogue_code(), Some(Code::E3));
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
        assert!(machine.host().records().unwrap().is_empty());
    }
}

#[test]
fn loads_the_module_or_says_that_it_is_missing() {
    let (machine, address) = nic();
    std::fs::remove_dir_all(machine.path("sys/bus/pci/drivers/vfio-pci")).unwrap();
    let error = machine.host().bind(address, &BindOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E3)));
    assert!(error.to_string().contains("modprobe vfio-pci"), "{error}");
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    machine.file("sys/modules/vfio-pci", "");
    machine.host().bind(address, &BindOptions::default()).unwrap();
}

#[test]
fn refuses_what_is_in_use_unless_forced() {
    let (machine, address) = nic();
    machine.network(NIC, "eth1", 0x1003);
    let error = machine.host().bind(address, &BindOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("eth1 is up") && error.to_string().contains("--force"), "{error}");
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    machine.host().bind(address, &BindOptions { owner: None, force: true, persist: false }).unwrap();
}

#[test]
fn refuses_bridges_and_functions_without_an_iommu() {
    let machine = Machine::new();
    let bridge = "0000:00:1c.0";
    machine.function(bridge, 0x8086, 0x3420, Some("pcieport"), Some(5));
    let mut config = vec![0u8; 64];
    config[0x0e] = 1;
    std::fs::write(machine.path(&format!("sys/devices/pci0000:00/{bridge}/config")), config).unwrap();
    let error = machine.host().bind(bridge.parse().unwrap(), &BindOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), None);
    // Groups of others are there, so the IOMMU is on.
    let error = machine.host().bind(NIC.parse().unwrap(), &BindOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, Some(Code::E3)));
}

#[test]
fn several_are_bound_all_or_none() {
    let (machine, address) = nic();
    let other = "0000:00:04.0";
    machine.function(other, 0x8086, 0x100e, Some("e1000"), Some(4));
    machine.network(other, "eth2", 1);
    let both = [address, other.parse().unwrap()];
    machine.host().bind_all(&both, &BindOptions::default()).unwrap_err();
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    assert!(machine.host().records().unwrap().is_empty());
    let bound =
        machine.host().bind_all(&both, &BindOptions { owner: None, force: true, persist: false }).unwrap();
    assert_eq!(bound.len(), 2);
}

#[test]
fn a_plan_changes_nothing() {
    let (machine, address) = nic();
    let options = BindOptions { owner: Some("7".parse().unwrap()), force: false, persist: false };
    let steps = machine.host().plan_bind(address, &options).unwrap();
    assert_eq!(steps.len(), 6);
    assert!(machine.log().is_empty());
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
}

#[test]
fn an_attempt_cut_short_is_taken_up_again() {
    let (machine, address) = nic();
    let host = machine.host();
    let function = host.function(address).unwrap();
    let record = host.record_of(&function).unwrap();
    host.save_record(&record).unwrap();
    host.set_override(&function, Some(VFIO_PCI)).unwrap();
    host.detach(address).unwrap();
    let bound = host.bind(address, &BindOptions::default()).unwrap();
    assert_eq!(bound.previous_driver.as_deref(), Some("e1000"));
}

#[test]
fn of_several_that_fail_together_a_node_keeps_its_owner() {
    let (machine, address) = nic();
    let host = machine.host();
    host.bind(address, &BindOptions { owner: Some("7".parse().unwrap()), force: false, persist: false })
        .unwrap();
    let node = host.node(&host.group(3).unwrap()).unwrap();
    machine.fail_at(None);
    let options = BindOptions { owner: Some("8".parse().unwrap()), force: false, persist: false };
    let missing = "0000:00:1e.0".parse().unwrap();
    assert_eq!(host.bind_all(&[address, missing], &options).unwrap_err().kind(), ErrorKind::NotFound);
    let back = format!("give 3 Some({}) Some({}) {:04o}", node.uid, node.gid, node.mode);
    assert_eq!(machine.log(), ["give 3 Some(8) None 0600", back.as_str()]);
}

#[test]
fn a_failure_to_put_back_one_of_several_is_told() {
    let (machine, address) = nic();
    let missing = "0000:00:1e.0".parse().unwrap();
    let options = BindOptions::default();
    // The five writes of the bind, and then the first of putting it back.
    machine.fail_at(Some(6));
    let error = machine.host().bind_all(&[address, missing], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("putting back 0000:00:03.0 failed too"), "{error}");
    assert!(error.to_string().contains("fix: sudo dirql restore 0000:00:03.0"), "{error}");
    assert_eq!(machine.host().recorded(), [address]);
}

#[test]
fn a_group_is_bound_but_for_its_bridges() {
    let (machine, _) = nic();
    let host = machine.host();
    machine.function("0000:00:03.1", 0x8086, 0x100e, Some("e1000"), Some(3));
    machine.function("0000:00:1e.0", 0x8086, 0x244e, Some("pcieport"), Some(3));
    machine.file("sys/devices/pci0000:00/0000:00:1e.0/class", "0x060400\n");
    let addresses = host.bindable(3).unwrap();
    assert_eq!(addresses.iter().map(Address::to_string).collect::<Vec<_>>(), [NIC, "0000:00:03.1"]);
    let bound = host.bind_all(&addresses, &BindOptions::default()).unwrap();
    assert!(bound.last().unwrap().blocking.is_empty());
    assert_eq!(host.bindable(4).unwrap_err().kind(), ErrorKind::NotFound);
    machine.function("0000:00:1f.0", 0x8086, 0x2918, None, Some(9));
    machine.file("sys/devices/pci0000:00/0000:00:1f.0/class", "0x060100\n");
    assert_eq!(host.bindable(9).unwrap_err().kind(), ErrorKind::Precondition);
}

/// Whatever step fails, and with what: in the end the device has a driver, or a record says which it had.
#[test]
fn two_hundred_rounds_with_failures_leave_no_device_without_its_driver() {
    let (machine, address) = nic();
    let host = machine.host();
    let options = BindOptions { owner: Some("7".parse().unwrap()), force: false, persist: false };
    let mut state = 0x5eed_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut failed = 0;
    for round in 0..200 {
        machine.fail_with([Errno::EIO, Errno::EACCES, Errno::EBUSY, Errno::ENODEV][random(4) as usize]);
        machine.fail_at(Some(1 + random(7) as usize));
        let bound = host.bind(address, &options);
        failed += u32::from(bound.is_err());
        if bound.is_err() {
            let back = machine.driver(NIC).as_deref() == Some("e1000");
            let known = host.record(address).unwrap().is_some();
            assert!(back || known, "round {round}: {:?}", bound.err());
        }
        machine.fail_at(Some(1 + random(7) as usize));
        let restored = host.restore(address, &Default::default());
        failed += u32::from(restored.is_err());
        machine.fail_at(None);
        // Whatever is left is put right by trying again.
        host.restore(address, &Default::default())
            .unwrap_or_else(|error| panic!("round {round}: {error}, after {bound:?} and {restored:?}"));
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"), "round {round}");
        assert_eq!(machine.override_of(NIC).as_deref(), Some("(null)"), "round {round}");
    }
    assert!(failed > 100, "{failed}");
}
