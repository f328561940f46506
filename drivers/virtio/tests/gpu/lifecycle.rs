//! Starting on what others left, refusing what cannot be driven, stopping under load.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dirql::class::display::Rectangle;
use dirql::dma::DmaMask;
use dirql::driver::{Driver, Settings};
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql::{Code, ErrorKind};
use dirql_virtio::gpu::{DRIVER, VirtioGpu};
use dirql_virtio::model::Area;
use dirql_virtio::model::gpu::{Card, Lie, Options, Screen};

use crate::common::{display, drawn, layouts, mode, start, wait};

/// What is different about a device.
type Change = fn(&mut Options);

/// Nothing of the device is on that could raise an interrupt or reach memory.
fn assert_quiet(screen: &Screen, what: &str) {
    assert_eq!(screen.status(), 0, "{what}");
    assert!(!screen.bus().bus_master(), "{what}");
    assert_eq!(screen.bus().faults(), [], "{what}");
    assert_eq!(screen.bus().mappings(), 0, "{what}: the device was closed with its driver");
}

#[test]
fn a_device_that_was_left_running_reaches_no_stale_memory() {
    let (device, screen) = Card::new(Options::default()).left_running().plug_in().unwrap();
    let mut gpu = VirtioGpu::start(device, &Settings::default()).unwrap();
    let display = display(&mut gpu);
    let framebuffer = drawn(display, 1, 64, 48);
    let fence = display.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
    wait(display, fence);
    assert_eq!(screen.bus().faults(), []);
    let mut options = Options::default();
    options.transport.deaf = true;
    let (device, screen) = Card::new(options).left_running().plug_in().unwrap();
    let error = VirtioGpu::start(device, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("device_status"), "{error}");
    assert!(!screen.bus().bus_master() && screen.bus().faults().is_empty());
}

#[test]
fn what_cannot_be_driven_is_refused_before_it_knows_of_memory() {
    let refused: [(&str, Change, ErrorKind, Option<Code>); 5] = [
        ("disable-legacy=on", |o| o.transport.version_1 = false, ErrorKind::Precondition, None),
        (
            "iommu_platform=on",
            |o| o.transport.access_platform = false,
            ErrorKind::Precondition,
            Some(Code::E15),
        ),
        ("reads 17, not 1 to 16", |o| o.scanouts = 17, ErrorKind::Device, None),
        ("has only 0x8 bytes", |o| o.transport.config_len = 8, ErrorKind::Device, None),
        (
            "hold 1 commands",
            |o| (o.transport.queue_sizes.0, o.transport.indirect_desc) = (2, false),
            ErrorKind::Device,
            None,
        ),
    ];
    for (words, change, kind, code) in refused {
        let mut options = Options::default();
        change(&mut options);
        let (device, screen) = Card::new(options).plug_in().unwrap();
        let error = VirtioGpu::start(device, &Settings::default()).unwrap_err();
        assert_eq!((error.kind(), error.catalogue_code()), (kind, code), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(screen.status() & 4, 0, "{words}: not DRIVER_OK");
        assert_eq!(screen.area(0, Area::Descriptors), 0, "{words}");
        assert!(!screen.bus().bus_master(), "{words}");
    }
}

#[test]
fn interrupts_come_as_they_are_asked_for() {
    let msi = Settings { interrupts: Some(Mode::Msi), ..Settings::default() };
    let (device, _screen) = Card::new(Options::default()).plug_in().unwrap();
    let error = VirtioGpu::start(device, &msi).unwrap_err();
    assert!(error.to_string().contains("have no MSI"), "{error}");
    let intx = Settings { interrupts: Some(Mode::Intx), ..Settings::default() };
    for (settings, vectors, taken, mode, queues) in [
        (&intx, 3, 3, Mode::Intx, [0xffff, 0xffff]),
        (&Settings::default(), 3, 3, Mode::Msix, [1, 2]),
        (&Settings::default(), 3, 2, Mode::Msix, [1, 1]),
        (&Settings::default(), 2, 2, Mode::Msix, [1, 1]),
        (&Settings::default(), 1, 1, Mode::Msix, [0, 0]),
        (&Settings::default(), 3, 1, Mode::Msix, [0, 0]),
        (&Settings::default(), 3, 0, Mode::Intx, [0xffff, 0xffff]),
        (&Settings::default(), 0, 0, Mode::Intx, [0xffff, 0xffff]),
    ] {
        let mut options = Options::default();
        (options.transport.vectors, options.transport.vectors_taken) = (vectors, taken);
        let (device, screen) = Card::new(options).plug_in().unwrap();
        let mut gpu = VirtioGpu::start(device, settings).unwrap();
        assert_eq!(gpu.vectors()[0].mode, mode);
        assert_eq!([screen.vector(0), screen.vector(1)], queues, "{vectors} vectors, {taken} taken");
        let display = display(&mut gpu);
        let framebuffer = drawn(display, 1, 64, 48);
        let fence = display.set_mode(0, &crate::common::mode(64, 48), &framebuffer).unwrap();
        wait(display, fence);
    }
}

#[test]
fn a_device_is_stopped_with_flips_under_way_however_far_it_is() {
    for (name, options) in layouts() {
        for done in 0..5 {
            let (mut gpu, screen) = start(options.clone());
            let display = display(&mut gpu);
            let framebuffers = [drawn(display, 0, 64, 48), drawn(display, 1, 64, 48)];
            let fence = display.set_mode(0, &mode(64, 48), &framebuffers[0]).unwrap();
            wait(display, fence);
            screen.hold();
            display.page_flip(0, &framebuffers[1], &[Rectangle::whole(64, 48)]).unwrap();
            for _ in 0..done {
                screen.release_one();
            }
            Box::new(gpu).stop().unwrap();
            screen.release();
            assert_quiet(&screen, name);
        }
    }
}

#[test]
fn a_dropped_driver_stops_its_device_also_while_unwinding() {
    let (device, screen) = Card::new(Options::default()).plug_in().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let mut gpu = VirtioGpu::start(device, &Settings::default()).unwrap();
        let display = display(&mut gpu);
        let framebuffer = drawn(display, 1, 64, 48);
        display.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
        panic!("on purpose");
    }));
    assert!(outcome.is_err());
    assert_quiet(&screen, "unwound");
}

#[test]
fn everything_may_be_dropped_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let (device, screen) = Card::new(Options::default()).plug_in().unwrap();
        // A register window and memory of the program's own keep the device open.
        let (bar, memory) = (device.bar(4).unwrap(), device.dma(DmaMask::FULL).buffer(4096).unwrap());
        let mut gpu = VirtioGpu::start(device, &Settings::default()).unwrap();
        let shown = display(&mut gpu);
        let framebuffer = drawn(shown, 1, 64, 48);
        screen.hold();
        shown.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
        let (mut gpu, mut bar, mut memory) = (Some(gpu), Some(bar), Some(memory));
        for which in order {
            match which {
                0 => drop(gpu.take()),
                1 => drop(bar.take()),
                _ => drop(memory.take()),
            }
            assert_eq!(screen.status() == 0, gpu.is_none(), "{order:?}");
        }
        screen.release();
        assert_quiet(&screen, &format!("{order:?}"));
    }
}

#[test]
fn a_device_that_breaks_down_or_is_pulled_out_is_told_to_who_waits() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(options);
        let shown = display(&mut gpu);
        let framebuffer = drawn(shown, 1, 64, 48);
        screen.hold();
        let fence = shown.set_mode(0, &mode(64, 48), &framebuffer).unwrap();
        let waited = std::thread::scope(|scope| {
            let broken = screen.clone();
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(10));
                broken.break_down();
            });
            shown.wait(fence, crate::common::PATIENCE)
        });
        assert!(waited.unwrap_err().to_string().contains("DEVICE_NEEDS_RESET"), "{name}");
        assert!(shown.wait_for_change(crate::common::PATIENCE).is_err(), "{name}");
        assert!(shown.connectors().is_err() && shown.passed().is_err(), "{name}");
        assert!(shown.create_framebuffer(1, 1).is_err() && shown.draw(&framebuffer).is_err(), "{name}");
        Box::new(gpu).stop().unwrap();
        assert_quiet(&screen, name);
    }
    let (mut gpu, screen) = start(Options::default());
    screen.bus().pull();
    assert_eq!(display(&mut gpu).connectors().unwrap_err().kind(), ErrorKind::Device);
    assert!(Box::new(gpu).stop().is_err());
}

#[test]
fn the_driver_says_what_it_drives_and_tries_it() {
    assert!(DRIVER.matches(0x1af4, 0x1050) && !DRIVER.matches(0x1af4, 0x1041));
    for (name, options) in layouts() {
        let has_edid = options.edid;
        let (device, screen) = Card::new(options).plug_in().unwrap();
        let mut driver = (DRIVER.probe)(device, &Settings::default()).unwrap();
        let told = driver.identify().unwrap();
        let value = |name| &told.iter().find(|(told, _)| *told == name).expect(name).1;
        assert!(value("displays").starts_with("1280x800"), "{name}: {told:?}");
        for check in driver.selftest() {
            let absent = check.name == "EDID" && !has_edid;
            assert_eq!(
                check.outcome,
                if absent { Outcome::Absent } else { Outcome::Pass },
                "{name}: {check}"
            );
        }
        assert_eq!(screen.resources(), 0, "{name}: nothing is left of it");
        for (command, check) in [(0x100, 1), (0x101, 3), (0x105, 3), (0x106, 3), (0x107, 3), (0x102, 3)] {
            screen.lie(command, Lie::Refusal(0x1200));
            let outcome = driver.selftest()[check].outcome;
            assert_eq!(outcome, Outcome::Fail, "{name}: {command:#x} is refused");
        }
        assert!(driver.net().is_none() && driver.display().is_some());
        driver.stop().unwrap();
        assert_quiet(&screen, name);
    }
}
