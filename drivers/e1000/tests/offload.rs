//! What the chip does with frames: checksums, segments and VLAN tags, compared with packets of another library.

mod common;

use common::packets::Packet;
use common::{BROADCAST, Place, drain, everywhere, frame, put, send};
use dirql::ErrorKind;
use dirql::class::net::{
    Checksum, Filter, Incoming, MIN_FRAME, Net, Offloads, Outgoing, ReceivedChecksum, SegmentProtocol,
    Segmentation,
};
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery};

const ALL: Offloads = Offloads { checksum: true, segmentation: true, vlan: true };

fn with_all(place: &Place) -> Place {
    place.with(|net| net.offloads = ALL)
}

/// Sends one frame.
fn transmit(e1000: &mut E1000, frame: &[u8], outgoing: Outgoing) -> dirql::Result<usize> {
    let mut once = Some(());
    e1000.queue().transmit(&mut |room| {
        once.take()?;
        put(room, frame)?;
        Some(outgoing)
    })
}

fn outgoing(frame: &[u8]) -> Outgoing {
    Outgoing::from(frame.len())
}

/// Everything that has been received, and what was said of it.
fn told(e1000: &mut E1000) -> Vec<(Vec<u8>, Incoming)> {
    let mut frames = Vec::new();
    e1000
        .queue()
        .receive(64, &mut |frame| frames.push((frame.bytes().into_owned(), frame.incoming)))
        .unwrap();
    frames
}

/// As it is on the wire.
fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(MIN_FRAME), 0);
    frame
}

/// A frame with a tag put in.
fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0x00], &tag.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn checksums_are_completed_on_the_way_out() {
    everywhere(|place| {
        let (mut e1000, wire) = with_all(place).start();
        assert_eq!(e1000.offloads(), ALL);
        for len in [0, 1, 5, 700, 1400] {
            for packet in Packet::all(len) {
                // A frame as it is between two that are not.
                let plain = frame(BROADCAST, len as u32, 99);
                let (incomplete, checksum) = packet.incomplete();
                assert_ne!(incomplete, packet.frame());
                let wanted = Outgoing { checksum: Some(checksum), ..outgoing(&incomplete) };
                assert_eq!(transmit(&mut e1000, &incomplete, wanted).unwrap(), 1);
                assert_eq!(send(&mut e1000, std::slice::from_ref(&plain)), 1);
                assert_eq!(wire.sent(), [padded(packet.frame()), plain], "{packet:?}");
            }
        }
        assert_eq!(e1000.queue().in_flight().unwrap(), 0);
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn long_frames_leave_in_segments_like_those_of_another_library() {
    everywhere(|place| {
        let (mut e1000, wire) = with_all(place).start();
        for (len, size) in [(1, 1400), (1400, 1400), (1401, 1400), (9999, 536), (65000, 1440), (20000, 1000)]
        {
            for packet in Packet::all(len).into_iter().filter(|packet| packet.is_tcp) {
                let (incomplete, checksum) = packet.incomplete();
                let wanted = Outgoing {
                    checksum: Some(checksum),
                    segmentation: Some(packet.segmentation(size)),
                    ..outgoing(&incomplete)
                };
                assert_eq!(transmit(&mut e1000, &incomplete, wanted).unwrap(), 1);
                let (sent, segments) = (wire.sent(), packet.segments(size));
                assert_eq!(sent.len(), segments.len());
                for (at, (sent, segment)) in sent.iter().zip(segments).enumerate() {
                    assert_eq!(*sent, padded(segment), "segment {at} of {len} bytes by {size}");
                }
            }
        }
        assert_eq!(e1000.queue().in_flight().unwrap(), 0);
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn more_long_frames_than_the_ring_has_room_for_all_leave() {
    everywhere(|place| {
        let (mut e1000, wire) = with_all(place).start();
        let packet = Packet::all(64000).into_iter().find(|packet| packet.is_ipv4 && packet.is_tcp).unwrap();
        let (incomplete, checksum) = packet.incomplete();
        let wanted = Outgoing {
            checksum: Some(checksum),
            segmentation: Some(packet.segmentation(1400)),
            ..outgoing(&incomplete)
        };
        let mut left = 100;
        wire.hold(true);
        while left > 0 {
            let queued = e1000
                .queue()
                .transmit(&mut |room| {
                    left = u32::checked_sub(left, 1)?;
                    put(room, &incomplete)?;
                    Some(wanted)
                })
                .unwrap();
            assert!((1..100).contains(&queued));
            assert_eq!(e1000.queue().in_flight().unwrap(), queued);
            wire.hold(false);
            wire.hold(true);
            assert_eq!(e1000.queue().in_flight().unwrap(), 0);
        }
        wire.hold(false);
        let segments = packet.segments(1400);
        let sent = wire.sent();
        assert_eq!(sent.len(), 100 * segments.len());
        assert!(sent.chunks(segments.len()).all(|sent| sent == segments));
    });
}

#[test]
fn tags_are_put_in_and_taken_out() {
    everywhere(|place| {
        let (mut e1000, wire) = with_all(place).start();
        for packet in Packet::all(3000).into_iter().filter(|packet| packet.vlan.is_none()) {
            let plain = frame(BROADCAST, 1, 64);
            let tag = 0xa123;
            assert_eq!(
                transmit(&mut e1000, &plain, Outgoing { vlan: Some(tag), ..outgoing(&plain) }).unwrap(),
                1
            );
            assert_eq!(wire.sent(), [tagged(&plain, tag)]);
            if packet.is_tcp {
                let (incomplete, checksum) = packet.incomplete();
                let wanted = Outgoing {
                    vlan: Some(tag),
                    checksum: Some(checksum),
                    segmentation: Some(packet.segmentation(1400)),
                    ..outgoing(&incomplete)
                };
                assert_eq!(transmit(&mut e1000, &incomplete, wanted).unwrap(), 1);
                let segments: Vec<_> = packet.segments(1400).iter().map(|part| tagged(part, tag)).collect();
                assert_eq!(wire.sent(), segments);
            }
            assert_eq!(wire.inject(&tagged(&plain, tag)), Delivery::Received);
            assert_eq!(wire.inject(&plain), Delivery::Received);
            let incoming = told(&mut e1000);
            assert_eq!(incoming[0], (plain.clone(), Incoming { vlan: Some(tag), ..Incoming::default() }));
            assert_eq!(incoming[1], (plain, Incoming::default()));
        }
    });
}

#[test]
fn without_the_offload_tags_stay_where_they_are() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        assert_eq!(e1000.offloads(), Offloads::default());
        let longest = tagged(&frame(BROADCAST, 1, 1514), 7);
        assert_eq!(send(&mut e1000, std::slice::from_ref(&longest)), 1);
        assert_eq!(wire.sent(), std::slice::from_ref(&longest));
        assert_eq!(wire.inject(&longest), Delivery::Received);
        assert_eq!(told(&mut e1000), [(longest, Incoming::default())]);
    });
}

#[test]
fn received_checksums_are_judged() {
    everywhere(|place| {
        let (mut e1000, wire) = with_all(place).start();
        let strict = place.with(|net| net.offloads.checksum = true);
        let (mut untagged, other) = strict.start();
        for packet in Packet::all(333) {
            let good = packet.frame();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            for (wire, e1000) in [(&wire, &mut e1000), (&other, &mut untagged)] {
                assert_eq!(wire.inject(&good), Delivery::Received);
                assert_eq!(wire.inject(&bad), Delivery::Received);
                let told: Vec<_> = told(e1000).iter().map(|(_, incoming)| incoming.checksum).collect();
                assert_eq!(told, [ReceivedChecksum::Good, ReceivedChecksum::Unknown], "{packet:?}");
            }
        }
        // IP's own is wrong, and TCP's right.
        let mut damaged = Packet::all(5)[0].frame();
        damaged[14 + 8] ^= 1;
        wire.inject(&damaged);
        wire.inject(&frame(Chip::MAC, 3, 60));
        for (_, incoming) in told(&mut e1000) {
            assert_eq!(incoming.checksum, ReceivedChecksum::Unknown);
        }
        // Nobody asked.
        let (mut e1000, wire) = place.start();
        wire.inject(&Packet::all(5)[0].frame());
        assert_eq!(told(&mut e1000)[0].1.checksum, ReceivedChecksum::Unknown);
    });
}

#[test]
fn what_was_not_agreed_on_or_cannot_be_is_refused_and_loses_nothing() {
    everywhere(|place| {
        let packet = &Packet::all(2000)[0];
        let (incomplete, checksum) = packet.incomplete();
        let how = packet.segmentation(1000);
        let plain = Outgoing::from(100);
        let cut = |checksum, how| Outgoing {
            checksum: Some(checksum),
            segmentation: Some(how),
            ..outgoing(&incomplete)
        };
        let v6 = Segmentation { protocol: SegmentProtocol::Tcpv6, ..how };
        let refused = [
            (Offloads::default(), Outgoing { vlan: Some(1), ..plain }),
            (Offloads::default(), Outgoing { checksum: Some(checksum), ..plain }),
            (Offloads { segmentation: false, ..ALL }, cut(checksum, how)),
            (ALL, outgoing(&incomplete)),
            (ALL, Outgoing { segmentation: Some(how), ..outgoing(&incomplete) }),
            (ALL, Outgoing { checksum: Some(Checksum { start: 99, offset: 0 }), ..plain }),
            (ALL, Outgoing { checksum: Some(Checksum { start: 13, offset: 16 }), ..plain }),
            (ALL, Outgoing { checksum: Some(Checksum { start: u16::MAX, offset: u16::MAX }), ..plain }),
            (ALL, Outgoing { checksum: Some(Checksum { start: 250, offset: 6 }), ..Outgoing::from(1000) }),
            (ALL, cut(Checksum { offset: 6, ..checksum }, how)),
            (ALL, cut(checksum, Segmentation { size: 0, ..how })),
            (ALL, cut(checksum, Segmentation { size: 1461, ..how })),
            (ALL, cut(checksum, Segmentation { header: 53, ..how })),
            (ALL, cut(checksum, Segmentation { header: 256, ..how })),
            (ALL, cut(checksum, Segmentation { header: 5000, ..how })),
            (ALL, cut(Checksum { start: 33, ..checksum }, how)),
            (ALL, cut(checksum, v6)),
        ];
        for (offloads, refused) in refused {
            let (mut e1000, wire) = place.with(|net| net.offloads = offloads).start();
            let good = frame(BROADCAST, 1, 1514);
            assert_eq!(send(&mut e1000, std::slice::from_ref(&good)), 1);
            let mut calls = 0;
            let error = e1000
                .queue()
                .transmit(&mut |room| {
                    calls += 1;
                    let fits = room.len().min(incomplete.len());
                    room[..fits].copy_from_slice(&incomplete[..fits]);
                    Some(if calls == 1 { Outgoing::from(60) } else { refused })
                })
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{refused:?}: {error}");
            assert_eq!(send(&mut e1000, std::slice::from_ref(&good)), 1);
            assert_eq!(wire.sent(), [good.clone(), incomplete[..60].to_vec(), good], "{refused:?}");
            assert_eq!(e1000.queue().in_flight().unwrap(), 0);
        }
    });
}

#[test]
fn a_filter_of_vlans_lets_those_in_and_what_has_no_tag() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let frame = frame(Chip::MAC, 1, 60);
        let try_all = || {
            [None, Some(7), Some(4095), Some(0x2007), Some(8)].map(|tag| {
                wire.inject(&tag.map_or(frame.clone(), |tag| tagged(&frame, tag))) == Delivery::Received
            })
        };
        assert_eq!(try_all(), [true; 5]);
        e1000.set_filter(&Filter { vlans: Some(vec![7, 4095]), ..Filter::default() }).unwrap();
        assert_eq!(try_all(), [true, true, true, true, false]);
        e1000.set_filter(&Filter { vlans: Some(vec![]), ..Filter::default() }).unwrap();
        assert_eq!(try_all(), [true, false, false, false, false]);
        e1000.set_filter(&Filter::default()).unwrap();
        assert_eq!(try_all(), [true; 5]);
        assert_eq!(drain(&mut e1000).len(), 15);
    });
}
