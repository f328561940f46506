use dirql::driver::Settings;
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery};

use super::*;

fn frame(byte: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.resize(len, byte);
    frame
}

#[test]
fn frames_are_tokens() {
    let (device, wire) = Chip::new().plug_in().unwrap();
    let mut e1000 = E1000::start(device, &Settings::default()).unwrap();
    let mut phy = Phy::new(&mut e1000);
    assert_eq!(phy.capabilities().max_transmission_unit, 1514);
    assert!(phy.receive(Instant::ZERO).is_none());
    let request = frame(1, 1514);
    assert_eq!(wire.inject(&request), Delivery::Received);
    let (received, room) = phy.receive(Instant::ZERO).unwrap();
    assert!(received.consume(|bytes| bytes == request));
    room.consume(60, |bytes| bytes.copy_from_slice(&frame(2, 60)));
    phy.transmit(Instant::ZERO).unwrap().consume(70, |bytes| bytes.copy_from_slice(&frame(3, 70)));
    assert_eq!(wire.sent(), [frame(2, 60), frame(3, 70)]);
    phy.check().unwrap();
}

#[test]
fn a_full_ring_loses_the_frame_and_nothing_else() {
    let (device, wire) = Chip::new().plug_in().unwrap();
    let mut e1000 = E1000::start(device, &Settings::default()).unwrap();
    let mut phy = Phy::new(&mut e1000);
    wire.hold(true);
    let mut written = 0;
    for _ in 0..300 {
        phy.transmit(Instant::ZERO).unwrap().consume(60, |bytes| {
            bytes.copy_from_slice(&frame(1, 60));
            written += 1;
        });
    }
    phy.check().unwrap();
    wire.hold(false);
    assert_eq!((written, wire.sent().len()), (300, 255));
}

#[test]
fn a_failure_waits_to_be_asked_for() {
    let (device, wire) = Chip::new().plug_in().unwrap();
    let mut e1000 = E1000::start(device, &Settings::default()).unwrap();
    let mut phy = Phy::new(&mut e1000);
    wire.vanish();
    // It is noticed by whoever asks the device.
    while phy
        .net()
        .queue()
        .wait(dirql::class::net::Interest::Receive, std::time::Duration::from_secs(20))
        .is_ok()
    {}
    assert!(phy.receive(Instant::ZERO).is_none());
    phy.transmit(Instant::ZERO).unwrap().consume(60, |_| {});
    assert!(phy.check().is_err() && phy.check().is_ok());
}
