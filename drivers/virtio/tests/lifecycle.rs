//! Starting on what others left, refusing what cannot be driven, stopping so that nothing is left.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{BROADCAST, drain, eventually, frame, left, queue, send, start, variants, with_net};
use dirql::class::net::{self, Interest, Link, Net, Offloads};
use dirql::driver::{Driver, Settings};
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql::{Code, Error, ErrorKind};
use dirql_virtio::model::{Adapter, Delivery, Options, Wire};
use dirql_virtio::net::{DRIVER, VirtioNet};

/// What is different about a device.
type Change = fn(&mut Options);

/// Why the driver does not start on this device.
fn refusal(options: Options, settings: &Settings) -> (Error, Wire) {
    let (device, wire) = Adapter::new(options).plug_in().unwrap();
    (VirtioNet::start(device, settings).unwrap_err(), wire)
}

/// Nothing of the device is on that could raise an interrupt or reach memory.
fn assert_quiet(wire: &Wire) {
    assert_eq!(wire.status(), 0);
    assert!(!wire.bus().bus_master());
    assert_eq!(wire.inject(&frame(BROADCAST, 0, 60)), Delivery::Off);
    assert_eq!(wire.bus().faults(), []);
}

#[test]
fn a_device_that_was_left_running_reaches_no_stale_memory() {
    let (device, wire) = Adapter::new(Options::default()).left_running().plug_in().unwrap();
    let mut net = VirtioNet::start(device, &Settings::default()).unwrap();
    assert_eq!(send(queue(&mut net), &[frame(BROADCAST, 1, 60)]), 1);
    assert_eq!(wire.sent().len(), 1);
    assert_eq!(wire.bus().faults(), []);
}

#[test]
fn the_model_shows_what_quiescing_is_for() {
    let (device, wire) = Adapter::new(Options::default()).left_running().plug_in().unwrap();
    device.set_bus_master(true).unwrap();
    device.bar(4).unwrap().read(dirql_virtio::transport::register::DEVICE_STATUS).unwrap();
    assert!(!wire.bus().faults().is_empty());
}

#[test]
fn a_device_that_does_not_reset_is_not_let_onto_the_bus() {
    let (device, wire) =
        Adapter::new(Options { deaf: true, ..Options::default() }).left_running().plug_in().unwrap();
    let error = VirtioNet::start(device, &Settings::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.to_string().contains("device_status"), "{error}");
    assert!(!wire.bus().bus_master() && wire.bus().faults().is_empty());
}

#[test]
fn what_cannot_be_driven_safely_is_refused_before_it_knows_of_memory() {
    let refused: [(&str, Change, Option<Code>); 3] = [
        ("disable-legacy=on", |o| o.version_1 = false, None),
        ("iommu_platform=on", |o| o.access_platform = false, Some(Code::E15)),
        ("legacy virtio device", |o| o.legacy = true, None),
    ];
    for (words, change, code) in refused {
        let mut options = Options::default();
        change(&mut options);
        let (error, wire) = refusal(options, &Settings::default());
        assert_eq!((error.kind(), error.catalogue_code()), (ErrorKind::Precondition, code), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(wire.status() & 4, 0, "not DRIVER_OK");
        assert_eq!(wire.area(0, dirql_virtio::model::Area::Descriptors), 0);
        assert!(!wire.bus().bus_master());
    }
}

#[test]
fn a_device_that_contradicts_itself_is_told_of() {
    let wrong: [(&str, Change); 4] = [
        ("does not take", |o| o.fickle = true),
        ("changed 100 times", |o| o.restless = u32::MAX),
        ("not inside BAR 4", |o| o.common_offset = 0x10_0000),
        ("has only 0x4 bytes", |o| o.config_len = 4),
    ];
    for (words, change) in wrong {
        let mut options = Options::default();
        change(&mut options);
        let (error, _wire) = refusal(options, &Settings::default());
        assert_eq!(error.kind(), ErrorKind::Device, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_the_device_has_not_is_refused_with_what_it_has() {
    let net = net::Settings::default;
    let offloads = Offloads::default();
    let asked = [
        ("does not complete", net::Settings { offloads: Offloads { checksum: true, ..offloads }, ..net() }),
        (
            "does not complete",
            net::Settings { offloads: Offloads { segmentation: true, ..offloads }, ..net() },
        ),
        ("VLAN", net::Settings { offloads: Offloads { vlan: true, ..offloads }, ..net() }),
        ("pairs of queues: 1", net::Settings { queues: 2, ..net() }),
        ("1600", net::Settings { mtu: 1601, ..net() }),
    ];
    for (words, settings) in asked {
        let options = Options { mtu: Some(1600), ..Options::default() };
        let (error, wire) = refusal(options, &with_net(settings));
        assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!wire.bus().bus_master());
    }
    let (net, _wire) = start(Options { mtu: Some(1400), ..Options::default() });
    assert_eq!(net.mtu(), 1400, "nobody asked for more");
}

#[test]
fn interrupts_come_as_they_are_asked_for() {
    let msi = Settings { interrupts: Some(Mode::Msi), ..Settings::default() };
    let (error, _wire) = refusal(Options::default(), &msi);
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert!(error.to_string().contains("have no MSI"), "{error}");
    let msix = Settings { interrupts: Some(Mode::Msix), ..Settings::default() };
    let (error, _wire) = refusal(Options { vectors: 0, ..Options::default() }, &msix);
    assert_eq!(error.catalogue_code(), Some(Code::E11), "{error}");
    let intx = Settings { interrupts: Some(Mode::Intx), ..Settings::default() };
    for (settings, vectors, mode, queues) in [
        (&intx, 4, Mode::Intx, [0xffff, 0xffff]),
        (&Settings::default(), 4, Mode::Msix, [1, 2]),
        (&Settings::default(), 2, Mode::Msix, [1, 1]),
        (&Settings::default(), 1, Mode::Msix, [0, 0]),
        (&Settings::default(), 0, Mode::Intx, [0xffff, 0xffff]),
    ] {
        let (device, wire) = Adapter::new(Options { vectors, ..Options::default() }).plug_in().unwrap();
        let net = VirtioNet::start(device, settings).unwrap();
        assert_eq!(net.vectors()[0].mode, mode);
        assert_eq!([wire.vector(0), wire.vector(1)], queues, "{vectors} vectors");
        assert_eq!(wire.vector(2), 0xffff, "nobody waits for the control queue's interrupts");
    }
}

#[test]
fn vectors_that_the_device_refuses_are_done_without() {
    for (taken, mode, queues) in [
        (3, Mode::Msix, [1, 2]),
        (2, Mode::Msix, [1, 1]),
        (1, Mode::Msix, [0, 0]),
        (0, Mode::Intx, [0xffff, 0xffff]),
    ] {
        let options = Options { vectors_taken: taken, ..Options::default() };
        let (mut net, wire) = start(options.clone());
        assert_eq!(net.vectors()[0].mode, mode);
        assert_eq!([wire.vector(0), wire.vector(1)], queues, "{taken} vectors");
        wire.inject(&frame(Adapter::MAC, 0, 60));
        assert!(net.queue().wait(Interest::Receive, Duration::from_secs(5)).unwrap());
        assert_eq!(drain(queue(&mut net)).len(), 1);
    }
    let msix = Settings { interrupts: Some(Mode::Msix), ..Settings::default() };
    let (error, _wire) = refusal(Options { vectors_taken: 0, ..Options::default() }, &msix);
    assert!(error.to_string().contains("--interrupts intx"), "{error}");
}

#[test]
fn a_stopped_device_is_quiet() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options);
        wire.hold(true);
        send(queue(&mut net), &vec![frame(BROADCAST, 0, 60); 3]);
        wire.inject(&frame(Adapter::MAC, 0, 60));
        Box::new(net).stop().unwrap();
        wire.hold(false);
        assert_quiet(&wire);
        assert_eq!(left(&wire).len(), 0, "{name}");
        assert_eq!(wire.bus().mappings(), 0, "{name}: the device was closed with its driver");
    }
}

#[test]
fn a_dropped_driver_stops_its_device_also_while_unwinding() {
    let (device, wire) = Adapter::new(Options::default()).plug_in().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let mut net = VirtioNet::start(device, &Settings::default()).unwrap();
        send(queue(&mut net), &[vec![1; 60]]);
        panic!("on purpose");
    }));
    assert!(outcome.is_err());
    assert_quiet(&wire);
}

#[test]
fn the_link_follows_the_cable_by_interrupt() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options);
        assert_eq!(net.link().unwrap(), Link { up: true, speed: 0, full_duplex: true, changes: 0 }, "{name}");
        for change in 1..=20 {
            wire.set_link(change % 2 == 0);
            assert!(net.queue().wait(Interest::Receive, Duration::from_secs(5)).unwrap(), "{name}");
            eventually("the handler looks", || net.link().unwrap().changes == change);
            assert_eq!(net.link().unwrap().up, change % 2 == 0, "{name}");
            send(queue(&mut net), &[frame(BROADCAST, 0, 60), frame(BROADCAST, 1, 60)]);
        }
        // What is sent while the cable is out is lost, and nothing else.
        assert_eq!(wire.sent().len(), 20, "{name}");
        assert_eq!(net.queue().in_flight().unwrap(), 0, "{name}");
    }
}

#[test]
fn a_device_that_breaks_down_is_told_to_everyone() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options);
        wire.break_down();
        let waited = net.queue().wait(Interest::Receive, Duration::from_secs(5));
        assert!(waited.unwrap_err().to_string().contains("DEVICE_NEEDS_RESET"), "{name}");
        assert!(net.queue().receive(1, &mut |_| {}).is_err());
        assert!(net.queue().transmit(&mut |_| Some(60.into())).is_err());
        assert!(net.link().is_err());
        Box::new(net).stop().unwrap();
        assert_quiet(&wire);
    }
}

#[test]
fn a_device_that_is_pulled_out_is_told_to_whoever_polls() {
    let (mut net, wire) =
        common::start_with(Options::default(), &common::waiting(dirql::interrupt::Wait::Poll));
    wire.bus().pull();
    let waited = net.queue().wait(Interest::Receive, Duration::from_millis(50));
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Device);
    assert!(Box::new(net).stop().is_err());
}

#[test]
fn the_driver_says_what_it_drives_and_tries_it() {
    assert!(
        DRIVER.matches(0x1af4, 0x1041) && DRIVER.matches(0x1af4, 0x1000) && !DRIVER.matches(0x1af4, 0x1042)
    );
    let (device, wire) = Adapter::new(Options::default()).plug_in().unwrap();
    let mut driver = (DRIVER.probe)(device, &Settings::default()).unwrap();
    let told = driver.identify().unwrap();
    let value = |name| &told.iter().find(|(told, _)| *told == name).expect(name).1;
    assert_eq!(value("address"), "52:54:00:12:34:56");
    assert_eq!(
        (value("link").as_str(), value("MTU").as_str(), value("interrupts").as_str()),
        ("up", "1500", "msix")
    );
    assert_eq!(driver.vectors().len(), 3);
    for check in driver.selftest() {
        assert_eq!(check.outcome, Outcome::Pass, "{check}");
    }
    wire.answer(1);
    assert_eq!(driver.selftest()[2].outcome, Outcome::Fail);
    wire.set_link(false);
    eventually("the handler looks", || driver.selftest()[3].outcome == Outcome::Absent);
    driver.stop().unwrap();
}

#[test]
fn a_device_without_an_address_is_given_one() {
    let (net, _wire) = start(Options { mac: false, ..Options::default() });
    assert_eq!(net.mac().0[0], 2, "given out locally, a station's");
    let (again, _wire) = start(Options { mac: false, ..Options::default() });
    assert_ne!(net.mac(), again.mac());
}
