//! Starting on what others left, stopping so that nothing is left, and going wrong in between.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{HEIGHT, MODE, WIDTH, assert_shows, everywhere, framebuffer, picture, start};
use dirql::ErrorKind;
use dirql::class::display::{Display, Rectangle};
use dirql::driver::{Driver, Settings};
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql_bochs::model::{Card, Screen};
use dirql_bochs::register::{ENABLE, ID, VIRT_WIDTH, XRES, Y_OFFSET};
use dirql_bochs::{Bochs, DRIVER};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing is shown, and the device never got onto the bus.
fn assert_off(screen: &Screen) {
    assert_eq!((screen.picture(), screen.peek(ENABLE)), (None, 0));
    let acts = screen.bus().acts();
    assert!(!screen.bus().bus_master() && screen.bus().mappings() == 0, "{acts:?}");
    assert!(!acts.contains(&dirql::backend::model::Act::BusMaster(true)), "{acts:?}");
}

#[test]
fn a_display_that_was_left_on_starts_dark() {
    everywhere(|card| {
        let (mut display, screen) = start(card().left_running());
        assert_off(&screen);
        let framebuffer = framebuffer(&mut display, 1);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
    });
}

#[test]
fn a_stopped_display_is_dark_and_so_is_a_dropped_one_also_while_unwinding() {
    everywhere(|card| {
        for ending in 0..3 {
            let (mut display, screen) = start(card());
            let ended = catch_unwind(AssertUnwindSafe(move || {
                let framebuffer = framebuffer(&mut display, 1);
                display.set_mode(0, &MODE, &framebuffer).unwrap();
                match ending {
                    0 => Box::new(display).stop().unwrap(),
                    1 => drop(display),
                    _ => panic!("on purpose"),
                }
            }));
            assert_eq!(ended.is_err(), ending == 2);
            assert_off(&screen);
            assert!(screen.memory().starts_with(&[0; 640 * 4]));
        }
    });
}

#[test]
fn handles_may_go_in_any_order() {
    let (mut display, screen) = start(Card::bochs_display());
    let adapter = display.adapter();
    let handle = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &handle).unwrap();
    drop(display);
    assert_off(&screen);
    // The adapter keeps the device open.
    assert_eq!(adapter.low(|registers| registers.read(ID)).unwrap(), 0xb0c5);
    // What it shows is nobody's business any more.
    assert_eq!(adapter.high(|dispi| Ok(dispi.scanout())).unwrap(), None);
    drop(adapter);
    let (mut other, _) = start(Card::bochs_display());
    assert_eq!(other.destroy_framebuffer(handle).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn another_version_is_refused_by_its_register() {
    for id in [0xb0bf, 0xb0c6, 0, 0xffff] {
        let (device, screen) = Card::bochs_display().left_running().with_id(id).plug_in().unwrap();
        let error = Bochs::start(device, &Settings::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(
            error.to_string().contains("register ID (0x0500) reads") && error.to_string().contains("0000:")
        );
        // It is somebody else's device.
        assert_ne!(screen.peek(ENABLE), 0);
    }
    for id in 0xb0c0..=0xb0c5 {
        start(Card::vga().with_id(id));
    }
}

#[test]
fn a_display_without_memory_or_with_interrupts_is_none() {
    let (device, _) = Card::vga().with_memory(0, 4096).plug_in().unwrap();
    let error = Bochs::start(device, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("VIDEO_MEMORY_64K"), "{error}");
    let (device, _) = Card::vga().plug_in().unwrap();
    let settings = Settings { interrupts: Some(Mode::Msi), ..Settings::default() };
    let error = Bochs::start(device, &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    assert!(DRIVER.matches(0x1234, 0x1111));
}

#[test]
fn a_register_that_does_not_keep_what_was_written_is_named_and_nothing_is_shown() {
    everywhere(|card| {
        for register in [XRES, VIRT_WIDTH, Y_OFFSET] {
            let (mut display, screen) = start(card());
            let first = framebuffer(&mut display, 1);
            let second = framebuffer(&mut display, 2);
            screen.deafen(register);
            // The second one is not at line 0.
            let error = display.set_mode(0, &MODE, &second).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Device);
            for words in ["0000:00:1f.0", &format!("register {register} reads 0x0 after")] {
                assert!(error.to_string().contains(words), "{error}");
            }
            assert_eq!(screen.picture(), None);
            assert_eq!(display.page_flip(0, &first, &[]).unwrap_err().kind(), ErrorKind::Precondition);
        }
    });
}

#[test]
fn a_flip_that_does_not_take_is_told() {
    let (mut display, screen) = start(Card::bochs_display());
    let framebuffer = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &framebuffer).unwrap();
    screen.deafen(Y_OFFSET);
    let error = display.page_flip(0, &framebuffer, &[]).unwrap_err();
    assert!(error.to_string().contains("Y_OFFSET"), "{error}");
    assert_eq!(screen.picture(), None);
    assert_eq!(display.passed().unwrap(), Some(dirql::class::display::Fence(1)));
}

#[test]
fn a_display_that_does_not_turn_off_says_so() {
    let (mut display, screen) = start(Card::bochs_display());
    let framebuffer = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &framebuffer).unwrap();
    screen.deafen(ENABLE);
    let error = Box::new(display).stop().unwrap_err();
    assert!(error.to_string().contains("ENABLE"), "{error}");
}

#[test]
fn whoever_waits_sleeps_out_the_time_or_is_told_that_the_device_is_gone() {
    let (mut display, screen) = start(Card::bochs_display());
    assert!(!display.wait_for_change(Duration::from_millis(1)).unwrap());
    let framebuffer = framebuffer(&mut display, 1);
    display.set_mode(0, &MODE, &framebuffer).unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        sender.send(display.wait_for_change(Duration::from_secs(3600))).unwrap();
        display
    });
    screen.bus().pull();
    let error = told.recv_timeout(PATIENCE).expect("whoever waits is told").unwrap_err();
    let mut display = waiting.join().unwrap();
    assert!(error.is_gone(), "{error}");
    let whole = [Rectangle::whole(WIDTH, HEIGHT)];
    assert!(display.connectors().unwrap_err().is_gone());
    assert!(display.page_flip(0, &framebuffer, &whole).unwrap_err().is_gone());
    assert!(display.wait(dirql::class::display::Fence(1), Duration::ZERO).unwrap_err().is_gone());
    assert!(Box::new(display).stop().unwrap_err().is_gone());
}

#[test]
fn a_selftest_passes_and_leaves_what_is_shown_alone() {
    everywhere(|card| {
        let (mut display, screen) = start(card());
        let checks = display.selftest();
        assert!(checks.iter().all(|check| check.outcome == Outcome::Pass), "{checks:?}");
        assert_eq!((checks.len(), screen.picture()), (3, None));
        assert_eq!(screen.flips().last(), Some(&64));
        let framebuffer = framebuffer(&mut display, 1);
        display.set_mode(0, &MODE, &framebuffer).unwrap();
        assert_eq!(display.selftest()[1].outcome, Outcome::Absent);
        assert_shows(&screen, &picture(1, WIDTH, HEIGHT));
        let facts = display.identify().unwrap();
        assert!(facts.contains(&("shown", "640x480, from line 0 of the memory".into())), "{facts:?}");
        assert!(facts.contains(&("video memory", "16384 KiB".into())), "{facts:?}");
    });
}

#[test]
fn a_selftest_fails_where_the_device_does() {
    let (mut display, screen) = start(Card::bochs_display().without_edid());
    screen.deafen(XRES);
    let outcomes: Vec<_> = display.selftest().into_iter().map(|check| check.outcome).collect();
    assert_eq!(outcomes, [Outcome::Absent, Outcome::Fail, Outcome::Fail]);
}
