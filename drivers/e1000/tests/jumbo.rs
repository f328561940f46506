//! Frames beyond the usual length, in several buffers.

mod common;

use common::{BROADCAST, Place, drain, everywhere, frame, put, send};
use dirql::class::net::{MTU, Net};
use dirql::{ErrorKind, Result};
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery};

const DD: u8 = 1;
const EOP: u8 = 2;

/// The longest MTU of a chip.
fn longest(place: &Place) -> u32 {
    if place.is_express { 9000 } else { 16106 }
}

fn with_mtu(place: &Place, mtu: u32) -> Place {
    place.with(|net| net.mtu = mtu)
}

#[test]
fn long_frames_go_out_and_come_in_whole() {
    everywhere(|place| {
        for mtu in [68, MTU, 1501, 4000, longest(place)] {
            let (mut e1000, wire) = with_mtu(place, mtu).start();
            assert_eq!(e1000.mtu(), mtu);
            let most = mtu as usize + 14;
            let edges = [60, 2047, 2048, 2049, 4096, 8192, 8193, most - 1, most, most + 4];
            let lengths = edges.into_iter().filter(|&len| len <= most + 4).chain((60..most).step_by(997));
            for (number, len) in (0..).zip(lengths) {
                let mut long = frame(Chip::MAC, number, len.max(60));
                if len > most {
                    long[12..14].copy_from_slice(&[0x81, 0]);
                }
                assert_eq!(send(&mut e1000, std::slice::from_ref(&long)), 1, "{len} bytes of MTU {mtu}");
                assert!(wire.sent() == [long.clone()], "{len} bytes of MTU {mtu} out");
                assert_eq!(wire.inject(&long), Delivery::Received, "{len} bytes of MTU {mtu}");
                let mut parts = 0;
                let taken = e1000.queue().receive(2, &mut |received| {
                    parts = received.parts().len();
                    assert!(*received.bytes() == *long, "{len} bytes of MTU {mtu} in");
                });
                assert_eq!((taken.unwrap(), parts), (1, long.len().div_ceil(2048)));
            }
            assert_eq!(e1000.queue().in_flight().unwrap(), 0);
            assert_eq!(wire.bus().faults(), []);
        }
    });
}

#[test]
fn ten_thousand_long_frames_none_lost_doubled_or_reordered() {
    everywhere(|place| {
        let (mut e1000, wire) = with_mtu(place, 9000).start();
        let (mut injected, mut seen, mut queued, mut sent) = (0, 0, 0_u32, 0);
        let long = |number: u32| frame(Chip::MAC, number, 60 + number as usize * 131 % 8955);
        while seen < 10_000 || sent < 10_000 {
            while injected < 10_000 && wire.room() > 5 {
                assert_eq!(wire.inject(&long(injected)), Delivery::Received);
                injected += 1;
            }
            e1000
                .queue()
                .receive(31, &mut |received| {
                    assert!(*received.bytes() == *long(seen), "frame {seen} in");
                    seen += 1;
                })
                .unwrap();
            e1000
                .queue()
                .transmit(&mut |room| {
                    queued = Some(queued + 1).filter(|&next| next <= 10_000)?;
                    put(room, &long(queued - 1))
                })
                .unwrap();
            for frame in wire.sent() {
                assert!(frame == long(sent), "frame {sent} out");
                sent += 1;
            }
        }
        assert_eq!((seen, sent), (10_000, 10_000));
        assert!(drain(&mut e1000).is_empty());
    });
}

#[test]
fn a_length_beyond_the_mtu_is_refused() {
    everywhere(|place| {
        let (mut e1000, wire) = with_mtu(place, 4000).start();
        for (len, is_tagged) in [(4015, false), (4019, true)] {
            let mut long = frame(BROADCAST, 1, len);
            if is_tagged {
                long[12..14].copy_from_slice(&[0x81, 0]);
            }
            let outcome = e1000.queue().transmit(&mut |room| {
                let fits = room.len().min(len);
                room[..fits].copy_from_slice(&long[..fits]);
                Some(len.into())
            });
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidArgument);
            assert_eq!(wire.sent().len(), 0);
        }
    });
}

#[test]
fn chains_that_lie_are_dropped_whole() {
    everywhere(|place| {
        let (mut e1000, wire) = with_mtu(place, 9000).start();
        let good = frame(Chip::MAC, 1, 5000);
        let chains: [&[(u16, u8)]; 5] = [
            &[(2048, DD), (2049, DD | EOP)],
            &[(0, DD), (100, DD | EOP)],
            &[(0xffff, DD), (0xffff, DD), (1, DD | EOP)],
            &[(2048, DD), (0, DD | EOP)],
            // More than the longest frame has.
            &[
                (2048, DD),
                (2048, DD),
                (2048, DD),
                (2048, DD),
                (2048, DD),
                (2048, DD),
                (2048, DD),
                (7, DD | EOP),
            ],
        ];
        for (dropped, chain) in (1..).zip(chains) {
            for (length, status) in chain {
                assert!(wire.misdescribe(*length, *status, 0));
            }
            wire.inject(&good);
            assert!(drain(&mut e1000) == [good.clone()], "{chain:?}");
            assert_eq!(e1000.statistics().unwrap().receive_errors, dropped);
        }
        // One that never ends keeps nobody, and is over with the next end.
        for _ in 0..10 {
            while wire.misdescribe(2048, DD, 0) {}
            assert!(drain(&mut e1000).is_empty());
        }
        while wire.inject(&good) == Delivery::Missed {
            wire.misdescribe(2048, DD, 0);
            drain(&mut e1000);
        }
        drain(&mut e1000);
        wire.inject(&good);
        assert!(drain(&mut e1000) == [good]);
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn half_a_frame_is_not_handed_out() {
    everywhere(|place| {
        let (mut e1000, wire) = with_mtu(place, 9000).start();
        assert!(wire.misdescribe(2048, DD, 0));
        assert!(drain(&mut e1000).is_empty());
        let interest = dirql::class::net::Interest::Receive;
        while e1000.queue().wait(interest, std::time::Duration::ZERO).unwrap() {}
        assert!(wire.misdescribe(5, DD | EOP, 0));
        assert_eq!(drain(&mut e1000).iter().map(Vec::len).collect::<Vec<_>>(), [2053]);
    });
}

#[test]
fn what_a_chip_cannot_do_is_refused_with_what_it_can() {
    everywhere(|place| {
        let refused = |place: Place| -> Result<E1000> {
            let (device, _wire) = place.chip().plug_in()?;
            E1000::start(device, &place.settings())
        };
        for mtu in [0, 67, longest(place) + 1, u32::MAX] {
            let error = refused(with_mtu(place, mtu)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Precondition);
            assert!(error.to_string().contains(&longest(place).to_string()), "{error}");
        }
        for queues in [0, if place.is_express { 3 } else { 2 }, u16::MAX] {
            let error = refused(place.with(|net| net.queues = queues)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Precondition);
            assert!(error.to_string().contains("has 1 to"), "{error}");
        }
    });
}
