//! What the suites share: both devices, and pictures that can be computed again.
#![allow(dead_code, reason = "each suite uses a part")]

use dirql::class::display::{Display, Framebuffer, Mode};
use dirql::driver::Settings;
use dirql_bochs::Bochs;
use dirql_bochs::model::{Card, Picture, Screen};

pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 480;
pub const MODE: Mode = Mode { width: WIDTH, height: HEIGHT, refresh: 0 };

/// Calls `test` for a bochs-display and for a VGA.
pub fn everywhere(test: impl Fn(fn() -> Card)) {
    test(Card::bochs_display);
    test(Card::vga);
}

pub fn start(card: Card) -> (Bochs, Screen) {
    let (device, screen) = card.plug_in().unwrap();
    (Bochs::start(device, &Settings::default()).unwrap(), screen)
}

/// What pixel `index` is in the picture of this seed.
pub fn colour(seed: u32, index: u32) -> u32 {
    (index ^ seed << 20).wrapping_mul(0x9e37_79b9) >> 8
}

/// The picture of this seed.
pub fn picture(seed: u32, width: u32, height: u32) -> Picture {
    Picture { width, height, pixels: (0..width * height).map(|index| colour(seed, index)).collect() }
}

/// Draws it.
pub fn draw(display: &mut Bochs, framebuffer: &Framebuffer, seed: u32) {
    let mut canvas = display.draw(framebuffer).unwrap();
    canvas.pixels().iter_mut().zip(0..).for_each(|(pixel, index)| *pixel = colour(seed, index));
}

/// A framebuffer of the usual mode, with the picture of this seed.
pub fn framebuffer(display: &mut Bochs, seed: u32) -> Framebuffer {
    let framebuffer = display.create_framebuffer(WIDTH, HEIGHT).unwrap();
    draw(display, &framebuffer, seed);
    framebuffer
}

/// Whether the screen shows this, and if not, where it does not.
#[track_caller]
pub fn assert_shows(screen: &Screen, wanted: &Picture) {
    let seen = screen.picture().expect("something is shown");
    assert_eq!((seen.width, seen.height), (wanted.width, wanted.height));
    let differs = seen.pixels.iter().zip(&wanted.pixels).position(|(seen, wanted)| seen != wanted);
    assert_eq!(differs, None, "pixel by index");
}
