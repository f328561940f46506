//! Tests of the way back, on a machine in a directory.

use std::time::Instant;

use super::super::BindOptions;
use super::super::fake::Machine;
use super::*;
use crate::Code;

const NIC: &str = "0000:00:03.0";

fn bound() -> (Machine, Address) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    let address = NIC.parse().unwrap();
    machine.host().bind(address, &BindOptions::default()).unwrap();
    machine.fail_at(None);
    (machine, address)
}

#[test]
fn gives_back_to_the_recorded_driver() {
    let (machine, address) = bound();
    let restored = machine.host().restore(address, &RestoreOptions::default()).unwrap();
    assert_eq!(machine.log(), ["unbind 0000:00:03.0", "drivers_probe 0000:00:03.0", "remove"]);
    assert_eq!((restored.driver.as_deref(), restored.was_bound), (Some("e1000"), true));
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    assert!(machine.host().records().unwrap().is_empty());
    let again = machine.host().restore(address, &RestoreOptions::default()).unwrap();
    assert!(!again.was_bound);
}

#[test]
fn after_any_failing_write_restoring_again_succeeds() {
    for n in 1.. {
        let (machine, address) = bound();
        machine.fail_at(Some(n));
        let result = machine.host().restore(address, &RestoreOptions::default());
        if machine.log().len() < n {
            assert!(result.is_ok() && n > 3);
            break;
        }
        // Either somebody has it, or the record is still there to bring it back.
        let recorded = !machine.host().records().unwrap().is_empty();
        assert!(machine.driver(NIC).is_some(), "{:?}", machine.log());
        assert_eq!(result.is_err(), recorded, "{:?}", machine.log());
        machine.fail_at(None);
        machine.host().restore(address, &RestoreOptions::default()).unwrap();
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
        assert!(machine.host().records().unwrap().is_empty());
    }
}

#[test]
fn a_driverless_function_becomes_driverless_again() {
    let machine = Machine::new();
    machine.function(NIC, 0x1234, 0x11e8, None, Some(3));
    let address = NIC.parse().unwrap();
    machine.host().bind(address, &BindOptions::default()).unwrap();
    let restored = machine.host().restore(address, &RestoreOptions::default()).unwrap();
    assert_eq!((restored.driver, machine.driver(NIC)), (None, None));
}

#[test]
fn an_override_comes_back_too() {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    machine.takes(NIC, "other");
    machine.file(&format!("sys/devices/pci0000:00/{NIC}/driver_override"), "e1000\n");
    let address = NIC.parse().unwrap();
    machine.host().bind(address, &BindOptions::default()).unwrap();
    machine.host().restore(address, &RestoreOptions::default()).unwrap();
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    assert_eq!(machine.override_of(NIC).as_deref(), Some("e1000"));
}

#[test]
fn without_a_record_the_kernel_chooses() {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("vfio-pci"), Some(3));
    machine.function("0000:00:04.0", 0x8086, 0x100e, Some("e1000"), Some(4));
    machine.takes(NIC, "e1000");
    let restored = machine.host().restore(NIC.parse().unwrap(), &RestoreOptions::default()).unwrap();
    assert_eq!(restored.driver.as_deref(), Some("e1000"));
}

#[test]
fn a_held_function_is_not_unbound() {
    let (machine, address) = bound();
    machine.process(812, "dirql", &["dev/vfio/3"]);
    let begun = Instant::now();
    let options = RestoreOptions { wait: Duration::from_millis(120) };
    let error = machine.host().restore(address, &options).unwrap_err();
    assert!(begun.elapsed() >= options.wait);
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Busy, Some(Code::E13)));
    assert!(error.to_string().contains("process 812 (dirql"), "{error}");
    assert!(machine.log().is_empty());
    std::fs::remove_dir_all(machine.path("proc/812")).unwrap();
    machine.host().restore(address, &options).unwrap();
}

#[test]
fn a_driver_that_has_gone_is_named_and_the_record_stays() {
    let (machine, address) = bound();
    std::fs::remove_dir_all(machine.path("sys/bus/pci/drivers/e1000")).unwrap();
    let error = machine.host().restore(address, &RestoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("e1000 is not loaded"), "{error}");
    assert_eq!(machine.host().records().unwrap().len(), 1);
}

#[test]
fn a_shared_node_stays_with_its_owner_until_the_last() {
    let machine = Machine::new();
    for address in [NIC, "0000:00:03.1"] {
        machine.function(address, 0x8086, 0x100e, Some("e1000"), Some(3));
        let options = BindOptions { owner: Some("7".parse().unwrap()), force: false, persist: false };
        machine.host().bind(address.parse().unwrap(), &options).unwrap();
    }
    machine.fail_at(None);
    machine.host().restore(NIC.parse().unwrap(), &RestoreOptions::default()).unwrap();
    assert!(!machine.log().iter().any(|step| step.starts_with("give")));
}

#[test]
fn a_damaged_record_says_so() {
    let (machine, address) = bound();
    machine.file(&format!("run/dirql/{NIC}.json"), "{");
    let error = machine.host().restore(address, &RestoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(machine.driver(NIC).as_deref(), Some("vfio-pci"));
}

#[test]
fn a_damaged_record_does_not_hide_the_others() {
    let machine = Machine::new();
    machine.function("0000:00:03.0", 0x8086, 0x100e, Some("e1000"), Some(3));
    let host = machine.host();
    host.bind("0000:00:03.0".parse().unwrap(), &super::super::BindOptions::default()).unwrap();
    std::fs::write(machine.path("run/dirql/0000:00:04.0.json"), "{").unwrap();
    let recorded: Vec<_> = host.recorded().iter().map(ToString::to_string).collect();
    assert_eq!(recorded, ["0000:00:03.0", "0000:00:04.0"]);
    assert!(host.records().is_err());
    let driver = host.restore("0000:00:03.0".parse().unwrap(), &RestoreOptions::default()).unwrap().driver;
    assert_eq!(driver.as_deref(), Some("e1000"));
}
