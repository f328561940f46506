//! Tests of unbinding, on a machine in a directory.

use super::super::fake::Machine;
use super::super::{BindOptions, RestoreOptions};
use super::*;

const NIC: &str = "0000:00:03.0";

fn nic() -> (Machine, Address) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    (machine, NIC.parse().unwrap())
}

fn bound() -> (Machine, Address) {
    let (machine, address) = nic();
    machine.host().bind(address, &BindOptions::default()).unwrap();
    machine.fail_at(None);
    (machine, address)
}

#[test]
fn leaves_no_driver_and_the_way_back() {
    for (machine, address) in [nic(), bound()] {
        let before = machine.driver(NIC);
        let unbound = machine.host().unbind(address, &UnbindOptions::default()).unwrap();
        assert_eq!((unbound.previous_driver, machine.driver(NIC)), (before, None));
        let again = machine.host().unbind(address, &UnbindOptions::default()).unwrap();
        assert_eq!(again.previous_driver, None);
        let restored = machine.host().restore(address, &RestoreOptions::default()).unwrap();
        assert_eq!((restored.from, restored.driver.as_deref()), (None, Some("e1000")));
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
        assert!(machine.host().records().unwrap().is_empty());
    }
}

#[test]
fn what_is_held_is_not_asked_of_the_kernel() {
    let (machine, address) = bound();
    machine.process(812, "dirql", &["dev/vfio/3"]);
    let options = UnbindOptions { wait: Duration::from_millis(60), ..UnbindOptions::default() };
    let error = machine.host().unbind(address, &options).unwrap_err();
    assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Busy, Some(Code::E13)));
    let text = error.to_string();
    assert!(text.contains("process 812 (dirql") && text.contains("sudo kill 812"), "{text}");
    assert!(machine.log().is_empty(), "{:?}", machine.log());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            std::fs::remove_dir_all(machine.path("proc/812")).unwrap();
        });
        let patient = UnbindOptions { wait: Duration::from_secs(60), ..options };
        machine.host().unbind(address, &patient).unwrap();
    });
    assert_eq!(machine.driver(NIC), None);
}

#[test]
fn a_kernel_that_waits_all_the_same_is_left_behind() {
    let (machine, address) = bound();
    machine.stick();
    machine.process(814, "qemu", &[]);
    machine.link("proc/814/fd/9", DEVICE_LINK);
    for error in [
        machine.host().unbind(address, &UnbindOptions::default()).unwrap_err(),
        machine.host().restore(address, &RestoreOptions::default()).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Busy, Some(Code::E13)));
        assert!(error.to_string().contains("perhaps for process 814 (qemu"), "{error}");
    }
    assert_eq!(machine.host().recorded(), [address]);
}

#[test]
fn what_vfio_is_about_to_leave_is_not_touched() {
    let (machine, address) = bound();
    machine.process(814, "qemu", &[]);
    machine.link("proc/814/fd/9", DEVICE_LINK);
    // The kernel takes the link away first, and waits then.
    std::fs::remove_file(machine.path(&format!("sys/devices/pci0000:00/{NIC}/driver"))).unwrap();
    let host = machine.host();
    for error in [
        host.unbind(address, &UnbindOptions::default()).unwrap_err(),
        host.restore(address, &RestoreOptions::default()).unwrap_err(),
        host.bind(address, &BindOptions::default()).unwrap_err(),
    ] {
        assert_eq!(error.catalogue_code(), Some(Code::E13), "{error}");
    }
    assert!(machine.log().is_empty(), "{:?}", machine.log());
}

#[test]
fn what_the_kernel_uses_stays_unless_forced() {
    let (machine, address) = nic();
    machine.network(NIC, "eth1", 0x1003);
    let error = machine.host().unbind(address, &UnbindOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("sudo dirql unbind 0000:00:03.0 --force"), "{error}");
    assert!(machine.host().plan_unbind(address, &UnbindOptions::default()).is_err());
    let force = UnbindOptions { force: true, ..UnbindOptions::default() };
    assert_eq!(machine.host().plan_unbind(address, &force).unwrap().len(), 1);
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    machine.host().unbind(address, &force).unwrap();
    assert_eq!(machine.driver(NIC), None);
}

#[test]
fn after_any_failing_write_restoring_gives_the_driver() {
    for n in 1.. {
        let (machine, address) = nic();
        machine.fail_at(Some(n));
        let result = machine.host().unbind(address, &UnbindOptions::default());
        if machine.log().len() < n {
            assert!(result.is_ok() && n > 2);
            break;
        }
        assert!(result.is_err(), "{:?}", machine.log());
        assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"), "{:?}", machine.log());
        assert!(machine.host().recorded().is_empty(), "{:?}", machine.log());
    }
}

const DEVICE_LINK: &str = "anon_inode:[vfio-device]";
