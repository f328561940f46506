//! What the tests share: devices, patterns, and patience.

use std::time::{Duration, Instant};

use dirql::class::display::{Display, Fence, Framebuffer, Mode, Rectangle};
use dirql::driver::{Driver, Settings};
use dirql_virtio::gpu::VirtioGpu;
use dirql_virtio::model::gpu::{Card, Options, Screen};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A started adapter, and what is to be seen of it.
pub fn start(options: Options) -> (VirtioGpu, Screen) {
    let (device, screen) = Card::new(options).plug_in().unwrap();
    (VirtioGpu::start(device, &Settings::default()).unwrap(), screen)
}

/// An adapter's displays.
pub fn display(gpu: &mut VirtioGpu) -> &mut dyn Display {
    Driver::display(gpu).unwrap()
}

/// Adapters that differ as QEMU's do by their options.
pub fn layouts() -> Vec<(&'static str, Options)> {
    let of = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    vec![
        ("default", of(|_| ())),
        ("packed=on", of(|o| o.transport.packed = true)),
        ("packed=on,event_idx=off", of(|o| (o.transport.packed, o.transport.event_idx) = (true, false))),
        (
            "packed=on,indirect_desc=off",
            of(|o| (o.transport.packed, o.transport.indirect_desc) = (true, false)),
        ),
        ("event_idx=off", of(|o| o.transport.event_idx = false)),
        ("indirect_desc=off", of(|o| o.transport.indirect_desc = false)),
        ("small queues", of(|o| o.transport.queue_sizes = (4, 1))),
        ("page-per-vq=on", of(|o| o.transport.page_per_vq = true)),
        ("modern-pio-notify=on", of(|o| o.transport.pio_notify = true)),
        ("vectors=0", of(|o| o.transport.vectors = 0)),
        ("vectors=1", of(|o| o.transport.vectors = 1)),
        ("vectors=2", of(|o| o.transport.vectors = 2)),
        ("edid=off", of(|o| o.edid = false)),
        ("a configuration that changes while it is read", of(|o| o.transport.restless = 5)),
    ]
}

/// A mode of so many pixels.
pub fn mode(width: u32, height: u32) -> Mode {
    Mode { width, height, refresh: 0 }
}

/// The pixel at a place of the picture with this seed.
pub fn pixel(seed: u32, x: u32, y: u32) -> u32 {
    let mut word = seed.wrapping_mul(0x9e37_79b9) ^ x.wrapping_mul(0x85eb_ca6b) ^ y.wrapping_mul(0xc2b2_ae35);
    word ^= word >> 15;
    word.wrapping_mul(0x2c1b_3c6d) >> 8
}

/// The whole picture with this seed.
pub fn picture(seed: u32, width: u32, height: u32) -> Vec<u32> {
    (0..height).flat_map(|y| (0..width).map(move |x| pixel(seed, x, y))).collect()
}

/// Draws a part of the picture with this seed.
pub fn draw(display: &mut dyn Display, framebuffer: &Framebuffer, seed: u32, part: Rectangle) {
    let mut canvas = display.draw(framebuffer).unwrap();
    for (line, y) in canvas.lines(part).zip(part.y..) {
        line.iter_mut().zip(part.x..).for_each(|(drawn, x)| *drawn = pixel(seed, x, y));
    }
}

/// A framebuffer with the picture of this seed.
pub fn drawn(display: &mut dyn Display, seed: u32, width: u32, height: u32) -> Framebuffer {
    let framebuffer = display.create_framebuffer(width, height).unwrap();
    draw(display, &framebuffer, seed, Rectangle::whole(width, height));
    framebuffer
}

/// Waits for a fence.
pub fn wait(display: &mut dyn Display, fence: Fence) {
    assert!(display.wait(fence, PATIENCE).unwrap(), "{fence:?} has not passed within {PATIENCE:?}");
}

/// What a scanout shows is this.
pub fn assert_shows(screen: &Screen, scanout: u32, width: u32, height: u32, pixels: &[u32], what: &str) {
    let shown = screen.picture(scanout).unwrap_or_else(|| panic!("{what}: scanout {scanout} shows nothing"));
    assert_eq!((shown.width, shown.height), (width, height), "{what}");
    let wrong = (0..).zip(shown.pixels.iter().zip(pixels)).find(|(_, (shown, drawn))| shown != drawn);
    if let Some((at, (shown, drawn))) = wrong {
        panic!("{what}: {shown:#010x} at {}, {}, where {drawn:#010x} was drawn", at % width, at / width);
    }
}

/// Waits until `reached` holds.
pub fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
