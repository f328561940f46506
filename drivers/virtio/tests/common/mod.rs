//! What the driver's tests share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::time::{Duration, Instant};

use dirql::class::net::{self, Mac, Net, Outgoing, Queue};
use dirql::driver::Settings;
use dirql::interrupt::Wait;
use dirql_virtio::model::{Adapter, Options, Wire};
use dirql_virtio::net::VirtioNet;

pub const BROADCAST: Mac = Mac([0xff; 6]);

/// A started driver and its wire.
pub fn start(options: Options) -> (VirtioNet, Wire) {
    start_with(options, &Settings::default())
}

/// A driver that was started so, and its wire.
pub fn start_with(options: Options, settings: &Settings) -> (VirtioNet, Wire) {
    let (device, wire) = Adapter::new(options).plug_in().unwrap();
    (VirtioNet::start(device, settings).unwrap(), wire)
}

/// Settings with this way to wait.
pub fn waiting(wait: Wait) -> Settings {
    with_net(net::Settings { wait, ..net::Settings::default() })
}

/// Settings for the network.
pub fn with_net(net: net::Settings) -> Settings {
    Settings { net, ..Settings::default() }
}

/// Devices that differ as QEMU's do by their options.
pub fn variants() -> Vec<(&'static str, Options)> {
    let of = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    vec![
        ("default", of(|_| ())),
        ("packed=on", of(|o| o.packed = true)),
        ("packed=on,event_idx=off", of(|o| (o.packed, o.event_idx) = (true, false))),
        ("packed=on,indirect_desc=off", of(|o| (o.packed, o.indirect_desc) = (true, false))),
        ("packed=on, no power of two", of(|o| (o.packed, o.queue_sizes) = (true, (100, 77)))),
        ("event_idx=off", of(|o| o.event_idx = false)),
        ("indirect_desc=off", of(|o| o.indirect_desc = false)),
        ("mrg_rxbuf=off", of(|o| o.mrg_rxbuf = false)),
        ("rx_queue_size=1024", of(|o| o.queue_sizes.0 = 1024)),
        ("small queues", of(|o| o.queue_sizes = (8, 4))),
        ("page-per-vq=on", of(|o| o.page_per_vq = true)),
        ("modern-pio-notify=on", of(|o| o.pio_notify = true)),
        ("vectors=0", of(|o| o.vectors = 0)),
        ("vectors=1", of(|o| o.vectors = 1)),
        ("vectors=2", of(|o| o.vectors = 2)),
        ("ctrl_vq=off", of(|o| o.ctrl_vq = false)),
        ("a configuration that changes while it is read", of(|o| o.restless = 5)),
    ]
}

/// The frame number `number`, to `to`: its bytes tell it from all others.
pub fn frame(to: Mac, number: u32, len: usize) -> Vec<u8> {
    let mut frame = to.0.to_vec();
    frame.extend([0x02, 0, 0, 0, 0, 0x00, 0x88, 0xb5]);
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
pub fn send(queue: &mut dyn Queue, frames: &[Vec<u8>]) -> usize {
    let mut frames = frames.iter();
    queue.transmit(&mut |room| put(room, frames.next()?)).unwrap()
}

/// The frames that left, without their headers.
pub fn left(wire: &Wire) -> Vec<Vec<u8>> {
    wire.sent().into_iter().map(|sent| sent.frame).collect()
}

/// Everything that has been received.
pub fn drain(queue: &mut dyn Queue) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while queue.receive(64, &mut |frame| frames.push(frame.bytes().into_owned())).unwrap() > 0 {}
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

/// The first queue of a driver.
pub fn queue(net: &mut VirtioNet) -> &mut dyn Queue {
    Net::queue(net)
}
