//! Which displays there are, and what becomes of them.

use std::time::Duration;

use dirql::class::display::{Mode, Rectangle};
use dirql::driver::Driver;
use dirql::selftest::Outcome;
use dirql_virtio::model::gpu::{Lie, Options};

use crate::common::{
    PATIENCE, assert_shows, display, drawn, eventually, layouts, mode, picture, start, wait,
};

const GET_DISPLAY_INFO: u32 = 0x100;
const GET_EDID: u32 = 0x10a;

#[test]
fn the_wanted_mode_comes_first_and_the_monitors_follow() {
    for (name, options) in layouts() {
        let edid = options.edid;
        let (mut gpu, _screen) = start(Options { scanouts: 3, size: (1024, 768), ..options });
        let connectors = display(&mut gpu).connectors().unwrap();
        let numbers: Vec<_> =
            connectors.iter().map(|connector| (connector.number, connector.connected)).collect();
        assert_eq!(numbers, [(0, true), (1, false), (2, false)], "{name}");
        let modes: Vec<_> = connectors[0].modes.iter().map(|mode| (mode.width, mode.height)).collect();
        if edid {
            assert_eq!(modes, [(1024, 768), (640, 480)], "{name}");
            let refresh = connectors[0].modes[0].refresh;
            assert!((59_000..=61_000).contains(&refresh), "{name}: {refresh}");
            let edid = connectors[0].edid.as_ref().unwrap();
            assert_eq!((edid.manufacturer.as_str(), edid.name.as_deref()), ("RHT", Some("Model")), "{name}");
        } else {
            assert_eq!(connectors[0].modes, [Mode { width: 1024, height: 768, refresh: 0 }]);
            assert!(connectors[0].edid.is_none());
        }
        assert!(connectors[1].modes.is_empty() && connectors[1].edid.is_none(), "{name}");
    }
}

#[test]
fn a_resize_is_an_event_and_then_a_mode() {
    for (name, options) in layouts() {
        let (mut gpu, screen) = start(Options { scanouts: 2, ..options });
        let display = display(&mut gpu);
        display.connectors().unwrap();
        assert!(!display.wait_for_change(Duration::from_millis(1)).unwrap(), "{name}");
        let framebuffer = drawn(display, 1, 1280, 800);
        let fence = display.set_mode(0, &mode(1280, 800), &framebuffer).unwrap();
        wait(display, fence);
        for (seed, width, height) in [(2, 800, 600), (3, 1919, 1079), (4, 640, 480)] {
            screen.resize(0, width, height);
            assert!(display.wait_for_change(PATIENCE).unwrap(), "{name}");
            assert!(display.wait_for_change(Duration::ZERO).unwrap(), "{name}: nobody has looked yet");
            let connectors = display.connectors().unwrap();
            assert!(!display.wait_for_change(Duration::ZERO).unwrap(), "{name}");
            let preferred = connectors[0].preferred().unwrap();
            assert_eq!((preferred.width, preferred.height), (width, height), "{name}");
            let framebuffer = drawn(display, seed, width, height);
            let fence = display.set_mode(0, preferred, &framebuffer).unwrap();
            wait(display, fence);
            assert_shows(&screen, 0, width, height, &picture(seed, width, height), name);
        }
        let waits = std::thread::scope(|scope| {
            let pulled = screen.clone();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                pulled.resize(0, 0, 0);
                pulled.resize(1, 320, 200);
            });
            display.wait_for_change(PATIENCE)
        });
        assert!(waits.unwrap(), "{name}");
        eventually("both changes", || {
            let connectors = display.connectors().unwrap();
            (connectors[0].connected, connectors[1].connected) == (false, true)
        });
        assert_eq!(screen.bus().faults(), [], "{name}");
    }
}

#[test]
fn every_resize_is_noticed_during_flips() {
    for vectors in [0, 1, 3] {
        let mut options = Options::default();
        options.transport.vectors = vectors;
        let (mut gpu, screen) = start(options);
        let display = display(&mut gpu);
        let framebuffers = [drawn(display, 0, 64, 48), drawn(display, 1, 64, 48)];
        let mut last = display.set_mode(0, &mode(64, 48), &framebuffers[0]).unwrap();
        for round in 0..200 {
            screen.resize(0, 100 + round, 100);
            wait(display, last);
            let whole = [Rectangle::whole(64, 48)];
            last = display.page_flip(0, &framebuffers[round as usize % 2], &whole).unwrap();
            assert!(display.wait_for_change(PATIENCE).unwrap(), "{vectors} vectors");
            let connectors = display.connectors().unwrap();
            assert_eq!(connectors[0].preferred().unwrap().width, 100 + round);
        }
    }
}

#[test]
fn a_description_that_is_none_costs_the_monitor_nothing_else() {
    let (mut gpu, screen) = start(Options::default());
    let display = display(&mut gpu);
    for lie in [Lie::Refusal(0x1200), Lie::Type(0x1100)] {
        screen.lie(GET_EDID, lie);
        let connectors = display.connectors().unwrap();
        assert!(connectors[0].connected && connectors[0].edid.is_none(), "{lie:?}");
        assert_eq!(connectors[0].modes, [mode(1280, 800)], "{lie:?}");
    }
    assert!(display.connectors().unwrap()[0].edid.is_some());
    for lie in [Lie::Refusal(0x1200), Lie::Type(0x1100), Lie::Short, Lie::Fence] {
        screen.lie(GET_DISPLAY_INFO, lie);
        let error = display.connectors().unwrap_err();
        assert!(error.to_string().contains("CMD_GET_DISPLAY_INFO"), "{lie:?}: {error}");
    }
    assert!(display.connectors().unwrap()[0].connected);
}

#[test]
fn what_is_told_and_tried_leaves_a_change_to_who_waits_for_it() {
    let (mut gpu, screen) = start(Options::default());
    display(&mut gpu).connectors().unwrap();
    screen.resize(0, 800, 600);
    assert!(display(&mut gpu).wait_for_change(PATIENCE).unwrap());
    let told = gpu.identify().unwrap();
    assert!(told.iter().any(|(_, value)| value.starts_with("800x600")), "{told:?}");
    assert!(gpu.selftest().iter().all(|check| check.outcome == Outcome::Pass));
    assert!(display(&mut gpu).wait_for_change(Duration::ZERO).unwrap());
}
