//! What the driver's tests share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod packets;

use std::time::{Duration, Instant};

use dirql::class::net::{self, Mac, Net, Outgoing};
use dirql::driver::Settings;
use dirql::interrupt::Mode;
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Wire};

pub const BROADCAST: Mac = Mac([0xff; 6]);

/// A chip, and how its interrupts arrive.
#[derive(Debug, Clone)]
pub struct Place {
    pub is_express: bool,
    pub settings: Settings,
}

impl Place {
    fn new(is_express: bool, mode: Mode) -> Self {
        Self { is_express, settings: Settings { interrupts: Some(mode), ..Settings::default() } }
    }

    /// Every chip in every mode that it has.
    pub fn all() -> [Self; 4] {
        [
            Self::new(false, Mode::Intx),
            Self::new(true, Mode::Msix),
            Self::new(true, Mode::Msi),
            Self::new(true, Mode::Intx),
        ]
    }

    pub fn mode(&self) -> Mode {
        self.settings.interrupts.unwrap()
    }

    /// Such a chip, not plugged in yet.
    pub fn chip(&self) -> Chip {
        if self.is_express { Chip::express() } else { Chip::new() }
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The same, started with other settings.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut net::Settings)) -> Self {
        let mut place = self.clone();
        change(&mut place.settings.net);
        place
    }

    /// A started driver and its wire.
    pub fn start(&self) -> (E1000, Wire) {
        let (device, wire) = self.chip().plug_in().unwrap();
        (E1000::start(device, &self.settings).unwrap(), wire)
    }
}

/// Runs a test with every chip in every mode; the last one told is the one that failed.
pub fn everywhere(test: impl Fn(&Place)) {
    for place in Place::all() {
        eprintln!("{place:?}");
        test(&place);
    }
}

/// The frame number `number`, to `to`: its bytes tell it from all others.
pub fn frame(to: Mac, number: u32, len: usize) -> Vec<u8> {
    let mut frame = to.0.to_vec();
    frame.extend([0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5]);
    frame.extend(number.to_le_bytes());
    let mut seed = number.wrapping_mul(0x9e37_79b9) | 1;
    frame.resize_with(len, || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as u8
    });
    frame
}

/// Puts `frame` where `fill` was asked to.
pub fn put(room: &mut [u8], frame: &[u8]) -> Option<Outgoing> {
    room[..frame.len()].copy_from_slice(frame);
    Some(frame.len().into())
}

/// Queues the frames in one call, and gives how many were taken.
pub fn send(e1000: &mut E1000, frames: &[Vec<u8>]) -> usize {
    let mut frames = frames.iter();
    e1000.queue().transmit(&mut |room| put(room, frames.next()?)).unwrap()
}

/// Everything that has been received.
pub fn drain(e1000: &mut E1000) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while e1000.queue().receive(64, &mut |frame| frames.push(frame.bytes().into_owned())).unwrap() > 0 {}
    frames
}

/// Waits until `reached` holds, which takes no longer than a handler does.
pub fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not within 5 s");
        std::thread::sleep(Duration::from_micros(200));
    }
}
