//! Starting on what others left, stopping so that nothing is left, and going wrong in between.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{BROADCAST, drain, eventually, everywhere, frame, send};
use dirql::ErrorKind;
use dirql::class::net::{Interest, Net};
use dirql::driver::Driver;
use dirql::interrupt::Mode;
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery, Wire, register};

/// Nothing of the chip is on that could raise an interrupt or reach memory.
fn assert_quiet(wire: &Wire) {
    assert_eq!(wire.peek(register::IMS), 0);
    assert_eq!(wire.peek(register::RCTL) & 2, 0);
    assert_eq!(wire.peek(register::TCTL) & 2, 0);
    for ring in [register::RDBAL, register::RDLEN, register::TDBAL, register::TDLEN] {
        assert_eq!((wire.peek(ring), wire.peek(ring + 4)), (0, 0));
    }
    assert!(!wire.bus().bus_master());
    assert_eq!(wire.inject(&frame(BROADCAST, 0, 60)), Delivery::Off);
    assert_eq!(wire.bus().faults(), []);
}

#[test]
fn a_chip_that_was_left_running_reaches_no_stale_memory() {
    everywhere(|place| {
        let (device, wire) = place.chip().left_running().plug_in().unwrap();
        let mut e1000 = E1000::start(device, &place.settings()).unwrap();
        assert_eq!(wire.bus().faults(), []);
        assert_eq!(send(&mut e1000, &[frame(BROADCAST, 1, 60)]), 1);
        assert_eq!(wire.sent().len(), 1);
        assert_eq!(wire.inject(&frame(Chip::MAC, 2, 60)), Delivery::Received);
        assert_eq!(drain(&mut e1000), [frame(Chip::MAC, 2, 60)]);
        assert_eq!(wire.bus().faults(), []);
        let statistics = e1000.statistics().unwrap();
        assert_eq!((statistics.receive_frames, statistics.transmit_frames), (1, 1));
    });
}

#[test]
fn the_model_shows_what_quiescing_is_for() {
    everywhere(|place| {
        let (device, wire) = place.chip().left_running().plug_in().unwrap();
        device.set_bus_master(true).unwrap();
        let bar = device.bar(0).unwrap();
        bar.read(dirql_e1000::register::STATUS).unwrap();
        assert!(!wire.bus().faults().is_empty());
    });
}

#[test]
fn receive_control_is_written_once_from_power_on_to_traffic() {
    everywhere(|place| {
        let (_e1000, wire) = place.start();
        assert_eq!(wire.writes(register::RCTL), 1);
    });
}

#[test]
fn a_chip_that_does_not_stop_is_not_let_onto_the_bus() {
    everywhere(|place| {
        for deaf_at in [register::RCTL, register::TCTL, register::IMC, register::RDBAL, register::TDLEN] {
            let (device, wire) = place.chip().left_running().deaf_at(deaf_at).plug_in().unwrap();
            let error = E1000::start(device, &place.settings()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Device, "{error}");
            assert!(error.to_string().contains("still reads"), "{error}");
            assert!(!wire.bus().bus_master());
            assert_eq!(wire.bus().faults(), []);
        }
    });
}

#[test]
fn a_blank_eeprom_is_refused() {
    everywhere(|place| {
        let (device, _wire) = place.chip().with_eeprom_word(0, 0xffff).plug_in().unwrap();
        let error = E1000::start(device, &place.settings()).unwrap_err();
        assert!(error.to_string().contains("ff:ff:00:12:34:56"), "{error}");
    });
}

#[test]
fn a_stopped_chip_is_quiet() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        wire.hold(true);
        send(&mut e1000, &vec![frame(BROADCAST, 0, 60); 10]);
        wire.inject(&frame(Chip::MAC, 0, 60));
        Box::new(e1000).stop().unwrap();
        wire.hold(false);
        assert_quiet(&wire);
        assert_eq!(wire.bus().mappings(), 0, "the device was closed with its driver");
    });
}

#[test]
fn a_dropped_driver_stops_its_chip_also_while_unwinding() {
    everywhere(|place| {
        let (device, wire) = place.chip().plug_in().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            let mut e1000 = E1000::start(device, &place.settings()).unwrap();
            send(&mut e1000, &[vec![1; 60]]);
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert_quiet(&wire);
    });
}

#[test]
fn stopping_a_chip_that_does_not_stop_says_so_and_cuts_it_off() {
    everywhere(|place| {
        let (device, wire) = place.chip().deaf_at(register::IMC).plug_in().unwrap();
        let e1000 = E1000::start(device, &place.settings()).unwrap();
        let error = Box::new(e1000).stop().unwrap_err();
        assert!(error.to_string().contains("IMS"), "{error}");
        assert!(!wire.bus().bus_master());
    });
}

#[test]
fn each_dispatch_is_unmasked_once_and_nothing_is_triggered_again() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let network = std::thread::spawn({
            let wire = wire.clone();
            move || {
                for number in 0..2000 {
                    eventually("there is room", || wire.room() > 0);
                    wire.inject(&frame(Chip::MAC, number, 60));
                    if number % 50 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        let mut seen = 0;
        while seen < 2000 {
            assert!(
                e1000.queue().wait(Interest::Both, Duration::from_secs(5)).unwrap(),
                "after frame {seen}"
            );
            seen += drain(&mut e1000).len();
        }
        network.join().unwrap();
        eventually("the line is unmasked", || !wire.bus().masked());
        let vector = &e1000.vectors()[0];
        assert!(vector.calls > 0);
        let is_line = place.mode() == Mode::Intx;
        assert_eq!(wire.bus().unmasks(), if is_line { vector.calls } else { 0 });
        assert!(!is_line || vector.count == vector.calls);
        assert!(vector.spurious < vector.calls, "few come too late, when whoever waits has looked already");
        // The line is triggered once; messages once each, and before that all of them.
        let vectors = e1000.vectors().len() as u64;
        assert_eq!(wire.bus().triggers(), if is_line { 1 } else { 1 + vectors });
    });
}

#[test]
fn another_device_on_the_line_is_no_business_of_ours() {
    everywhere(|place| {
        if place.mode() != Mode::Intx {
            return;
        }
        let (mut e1000, wire) = place.start();
        wire.bus().set_line(true);
        eventually("the handler was called", || e1000.vectors()[0].spurious > 0);
        wire.bus().set_line(false);
        assert!(!e1000.queue().wait(Interest::Both, Duration::from_millis(10)).unwrap());
    });
}

#[test]
fn a_chip_that_vanishes_is_told_to_everyone() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        wire.vanish();
        // The vectors of queues wake too, and know nothing.
        let error = loop {
            match e1000.queue().wait(Interest::Both, Duration::from_secs(5)) {
                Ok(woken) => assert!(woken, "nobody was told"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(e1000.queue().receive(1, &mut |_| {}).is_err());
        assert!(e1000.queue().transmit(&mut |_| Some(60.into())).is_err());
        assert!(Box::new(e1000).stop().is_err());
        assert!(!wire.bus().bus_master());
    });
}
