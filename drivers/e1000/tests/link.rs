//! The link, identification, the self-test, and what waits for interrupts.

mod common;

use std::time::Duration;

use common::{drain, eventually, everywhere, frame};
use dirql::class::net::{Interest, Link, Net};
use dirql::driver::Driver;
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql_e1000::model::Chip;
use dirql_e1000::{DRIVER, E1000};

#[test]
fn the_link_follows_the_cable_by_interrupt() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        assert_eq!(e1000.link().unwrap(), Link { up: true, speed: 1000, full_duplex: true, changes: 0 });
        for change in 1..=10 {
            wire.set_link(change % 2 == 0);
            assert!(e1000.queue().wait(Interest::Both, Duration::from_secs(5)).unwrap());
            eventually("the handler looks", || e1000.link().unwrap().changes == change);
            assert_eq!(e1000.link().unwrap().up, change % 2 == 0);
        }
        wire.set_link(true);
        assert!(
            !e1000.queue().wait(Interest::Both, Duration::from_millis(20)).unwrap(),
            "nothing changed, nothing raised"
        );
    });
}

#[test]
fn waiting_tells_interrupts_from_silence() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        assert!(!e1000.queue().wait(Interest::Both, Duration::from_millis(10)).unwrap());
        wire.inject(&frame(Chip::MAC, 0, 60));
        assert!(e1000.queue().wait(Interest::Both, Duration::from_secs(5)).unwrap());
        assert!(e1000.queue().wait(Interest::Receive, Duration::ZERO).unwrap(), "it is still there");
        assert!(
            !e1000.queue().wait(Interest::Transmit, Duration::from_millis(10)).unwrap(),
            "nothing was sent"
        );
        assert_eq!(drain(&mut e1000).len(), 1);
        assert!(!e1000.queue().wait(Interest::Both, Duration::from_millis(10)).unwrap(), "it was taken");
    });
}

#[test]
fn a_phy_without_power_is_woken() {
    everywhere(|place| {
        let (device, wire) = place.chip().without_phy_power().plug_in().unwrap();
        let e1000 = E1000::start(device, &place.settings()).unwrap();
        eventually("the link comes up", || e1000.link().unwrap().up);
        assert_eq!(e1000.link().unwrap().changes, 1);
        drop(wire);
    });
}

#[test]
fn the_driver_says_what_it_drives() {
    everywhere(|place| {
        assert!(
            DRIVER.matches(0x8086, 0x100e)
                && DRIVER.matches(0x8086, 0x10d3)
                && !DRIVER.matches(0x8086, 0x10c9)
        );
        let (device, _wire) = place.chip().plug_in().unwrap();
        let mut driver = (DRIVER.probe)(device, &place.settings()).unwrap();
        assert_eq!(driver.net().unwrap().mac(), Chip::MAC);
        let told = driver.identify().unwrap();
        let value = |name| &told.iter().find(|(told, _)| *told == name).expect(name).1;
        assert_eq!(value("address"), "52:54:00:12:34:56");
        assert_eq!(value("link"), "up, 1000 Mbit/s, full duplex");
        assert_eq!(value("chip"), if place.is_express { "Intel 82574L" } else { "Intel 82540EM" });
        assert_eq!(*value("interrupts"), place.mode().to_string());
        assert_eq!(driver.vectors().len(), if place.mode() == Mode::Msix { 3 } else { 1 });
        driver.stop().unwrap();
    });
}

#[test]
fn the_selftest_passes_on_a_good_chip_while_frames_come() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        wire.inject(&frame(Chip::MAC, 0, 60));
        let checks = e1000.selftest();
        assert_eq!(checks.len(), 4);
        for check in checks {
            assert_eq!(check.outcome, Outcome::Pass, "{check}");
        }
        assert_eq!(common::drain(&mut e1000).len(), 1);
        wire.set_link(false);
        eventually("the handler looks", || !e1000.link().unwrap().up);
        assert_eq!(e1000.selftest()[3].outcome, Outcome::Absent);
    });
}

#[test]
fn the_selftest_finds_a_damaged_eeprom_and_a_lost_interrupt() {
    everywhere(|place| {
        let (device, wire) = place.chip().with_eeprom_word(0x20, 1).plug_in().unwrap();
        let mut e1000 = E1000::start(device, &place.settings()).unwrap();
        assert_eq!(e1000.selftest()[0].outcome, Outcome::Fail);
        drop((e1000, wire));
        let (device, _wire) = place.chip().deaf_at(dirql_e1000::model::register::ICS).plug_in().unwrap();
        let checks = E1000::start(device, &place.settings()).unwrap().selftest();
        assert_eq!((checks[0].outcome, checks[2].outcome), (Outcome::Pass, Outcome::Fail));
    });
}
