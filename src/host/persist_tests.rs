//! Tests of binds for good, on a machine in a directory.

use super::super::fake::Machine;
use super::super::{BindOptions, Host, RestoreOptions, UnbindOptions};
use super::*;

const NIC: &str = "0000:00:03.0";
const RULE: &str = "etc/udev/rules.d/71-dirql-0000:00:03.0.rules";

fn nic() -> (Machine, Address) {
    let machine = Machine::new();
    machine.function(NIC, 0x8086, 0x100e, Some("e1000"), Some(3));
    machine.file("run/udev/control", "");
    (machine, NIC.parse().unwrap())
}

fn options(owner: Option<&str>) -> BindOptions {
    BindOptions { owner: owner.map(|owner| owner.parse().unwrap()), force: false, persist: true }
}

fn rule(machine: &Machine) -> Option<String> {
    std::fs::read_to_string(machine.path(RULE)).ok()
}

fn bind(host: &Host, address: Address, owner: Option<&str>) -> super::super::Bound {
    host.bind(address, &options(owner)).unwrap()
}

#[test]
fn a_rule_names_one_function_by_address_and_ids() {
    let (machine, address) = nic();
    let host = machine.host();
    assert_eq!((host.persistent(), host.persistent_rule(address)), (vec![], None));
    let bound = bind(&host, address, Some("7:8"));
    assert_eq!(bound.rule, Some(machine.path(RULE)));
    assert_eq!(host.persistent(), [address]);
    let text = rule(&machine).unwrap();
    for words in [
        "# Written by dirql bind --persist; sudo dirql restore 0000:00:03.0 takes it away.\n",
        "It was on e1000 then.",
        "KERNEL!=\"0000:00:03.0\", GOTO=\"dirql_end\"\n",
        "\nATTR{vendor}!=\"0x8086\", GOTO=\"dirql_end\"\n",
        "\nATTR{device}!=\"0x100e\", GOTO=\"dirql_end\"\n",
        "\nATTR{subsystem_device}!=\"0x0000\", GOTO=\"dirql_end\"\n",
        "\nATTR{[pci/0000:00:03.0]subsystem_vendor}!=\"0x0000\", GOTO=\"dirql_end\"\n",
        "ATTR{driver_override}=\"vfio-pci\"\n",
        "devices/0000:00:03.0\", OWNER=\"7\", GROUP=\"8\", MODE=\"0660\"\n",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    // No program is started, which could wait for udev.
    assert!(!text.contains("RUN"), "{text}");
    // Without an owner, the node is left to the rules of the machine.
    bind(&host, address, None);
    let text = rule(&machine).unwrap();
    assert!(!text.contains("MODE") && !text.contains("dirql_node"), "{text}");
    // Each jump has its place.
    for jump in text.lines().filter_map(|line| line.split("GOTO=").nth(1)) {
        assert!(text.contains(&format!("LABEL={jump}\n")), "{jump}");
    }
}

#[test]
fn restoring_forgets_and_unbinding_does_not() {
    let (machine, address) = nic();
    let host = machine.host();
    bind(&host, address, None);
    host.unbind(address, &UnbindOptions::default()).unwrap();
    assert!(rule(&machine).is_some());
    let restored = host.restore(address, &RestoreOptions::default()).unwrap();
    assert_eq!((restored.rule, rule(&machine)), (Some(machine.path(RULE)), None));
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    // After a start there is no record; and what is not there any more would come again.
    bind(&host, address, None);
    std::fs::remove_dir_all(machine.path("run/dirql")).unwrap();
    host.restore(address, &RestoreOptions::default()).unwrap();
    assert_eq!((machine.driver(NIC).as_deref(), rule(&machine)), (Some("e1000"), None));
    let gone = "0000:00:09.0".parse().unwrap();
    assert_eq!(host.restore(gone, &RestoreOptions::default()).unwrap_err().kind(), ErrorKind::NotFound);
    machine.file("etc/udev/rules.d/71-dirql-0000:00:09.0.rules", OURS);
    assert!(host.restore(gone, &RestoreOptions::default()).unwrap().rule.is_some());
    assert!(host.persistent().is_empty());
}

#[test]
fn any_failing_write_is_taken_back_with_the_rule() {
    for before in [None, Some("# Written by dirql bind --persist; an older one\n")] {
        for n in 1.. {
            let (machine, address) = nic();
            before.inspect(|text| machine.file(RULE, text));
            machine.fail_at(Some(n));
            let result = machine.host().bind(address, &options(Some("7")));
            let log = machine.log();
            if log.len() < n {
                assert!(result.is_ok() && n > 8, "{log:?}");
                break;
            }
            // udev looks itself too; and whether it has settled shows when the node is opened.
            if log[n - 1].starts_with("run udevadm") {
                assert!(result.is_ok(), "{log:?}");
                continue;
            }
            assert!(result.is_err(), "{log:?}");
            assert_eq!(rule(&machine).as_deref(), before, "{log:?}");
            assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"), "{log:?}");
            assert!(machine.host().recorded().is_empty(), "{log:?}");
        }
    }
}

#[test]
fn after_any_failing_write_restoring_again_forgets_the_rule() {
    for n in 1.. {
        let (machine, address) = nic();
        bind(&machine.host(), address, None);
        machine.fail_at(Some(n));
        let _ = machine.host().restore(address, &RestoreOptions::default());
        let over = machine.log().len() < n;
        machine.fail_at(None);
        machine.host().restore(address, &RestoreOptions::default()).unwrap();
        assert_eq!((machine.driver(NIC).as_deref(), rule(&machine)), (Some("e1000"), None));
        assert!(machine.host().recorded().is_empty());
        if over {
            assert!(n > 4);
            break;
        }
    }
}

#[test]
fn what_is_bound_already_can_be_so_for_good_and_a_failure_takes_only_that_back() {
    let (machine, address) = nic();
    let host = machine.host();
    host.bind(address, &BindOptions::default()).unwrap();
    let missing = "0000:00:1e.0".parse().unwrap();
    host.bind_all(&[address, missing], &options(Some("7"))).unwrap_err();
    assert_eq!((machine.driver(NIC).as_deref(), rule(&machine)), (Some("vfio-pci"), None));
    assert!(bind(&host, address, None).was_bound);
    assert!(rule(&machine).is_some());
}

#[test]
fn without_udev_or_with_another_s_file_nothing_is_bound() {
    let (machine, address) = nic();
    machine.file(RULE, "# somebody's\n");
    let error = machine.host().bind(address, &options(None)).unwrap_err();
    assert_eq!((error.kind(), machine.driver(NIC).as_deref()), (ErrorKind::Busy, Some("e1000")));
    assert_eq!(rule(&machine).as_deref(), Some("# somebody's\n"));
    std::fs::remove_file(machine.path("run/udev/control")).unwrap();
    for error in [
        machine.host().bind(address, &options(None)).unwrap_err(),
        machine.host().plan_bind(address, &options(None)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Precondition);
        assert!(error.to_string().contains("no udev is at work"), "{error}");
    }
    assert_eq!(machine.driver(NIC).as_deref(), Some("e1000"));
    assert!(machine.host().recorded().is_empty());
}

#[test]
fn a_plan_shows_the_rule_and_writes_none() {
    let (machine, address) = nic();
    machine.fail_at(None);
    let steps = machine.host().plan_bind(address, &options(Some("7"))).unwrap();
    assert!(steps[0].starts_with("cat > ") && steps[0].contains("OWNER=\"7\"") && steps[0].ends_with("END"));
    assert!(machine.log().is_empty() && rule(&machine).is_none());
}
