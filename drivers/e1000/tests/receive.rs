//! Frames in.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{BROADCAST, drain, everywhere, frame};
use dirql::class::net::{Filter, Interest, MAX_FRAME, MIN_FRAME, Mac, Net};
use dirql_e1000::model::{Chip, Delivery, register::RCTL, register::RDT};

const DD: u8 = 1;
const EOP: u8 = 2;

#[test]
fn frames_come_in_as_they_are_and_in_order() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let frames: Vec<_> = (0..1000_u32)
            .map(|i| frame(Chip::MAC, i, MIN_FRAME + i as usize * 37 % (MAX_FRAME - MIN_FRAME + 1)))
            .collect();
        let mut received = Vec::new();
        for batch in frames.chunks(31) {
            for frame in batch {
                assert_eq!(wire.inject(frame), Delivery::Received);
            }
            received.extend(drain(&mut e1000));
        }
        assert_eq!(received, frames);
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn a_hundred_thousand_frames_none_lost_doubled_or_reordered() {
    everywhere(|place| {
        for batch in [7, 31, 255] {
            let (mut e1000, wire) = place.start();
            let (mut injected, mut seen) = (0_u32, 0_u32);
            while seen < 100_000 {
                // The network waits where there is no room.
                while injected < 100_000 && wire.room() > 0 {
                    assert_eq!(wire.inject(&frame(Chip::MAC, injected, 60)), Delivery::Received);
                    injected += 1;
                }
                let before = seen;
                let taken = e1000.queue().receive(batch, &mut |received| {
                    assert_eq!(
                        *received.bytes(),
                        frame(Chip::MAC, seen, 60),
                        "frame {seen} in batches of {batch}"
                    );
                    seen += 1;
                });
                assert_eq!(taken.unwrap(), (seen - before) as usize);
                assert!((1..=batch).contains(&((seen - before) as usize)));
            }
            assert!(drain(&mut e1000).is_empty());
            let statistics = e1000.statistics().unwrap();
            assert_eq!((statistics.receive_frames, statistics.receive_bytes), (100_000, 6_400_000));
            assert_eq!((statistics.receive_missed, statistics.receive_errors), (0, 0));
        }
    });
}

#[test]
fn a_waiting_program_sees_every_frame() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let network = std::thread::spawn(move || {
            for number in 0..20_000 {
                while wire.room() == 0 {
                    std::thread::yield_now();
                }
                assert_eq!(wire.inject(&frame(Chip::MAC, number, 60)), Delivery::Received);
                if number % 97 == 0 {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        });
        let mut seen = 0;
        while seen < 20_000 {
            for received in drain(&mut e1000) {
                assert_eq!(received, frame(Chip::MAC, seen, 60));
                seen += 1;
            }
            assert!(
                seen == 20_000 || e1000.queue().wait(Interest::Both, Duration::from_secs(5)).unwrap(),
                "a wakeup was lost at frame {seen}"
            );
        }
        network.join().unwrap();
    });
}

#[test]
fn the_ring_holds_one_less_than_its_entries_and_misses_what_is_beyond() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        assert_eq!(wire.room(), 255);
        for number in 0..255 {
            assert_eq!(wire.inject(&frame(Chip::MAC, number, 60)), Delivery::Received);
        }
        for number in 255..258 {
            assert_eq!(wire.inject(&frame(Chip::MAC, number, 60)), Delivery::Missed);
        }
        assert_eq!(drain(&mut e1000).len(), 255);
        assert_eq!(wire.room(), 255);
        assert_eq!(e1000.statistics().unwrap().receive_missed, 3);
        assert_eq!(e1000.statistics().unwrap().receive_missed, 3);
    });
}

#[test]
fn at_most_is_at_most_and_buffers_go_back_by_one_write_a_batch() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        for number in 0..200 {
            wire.inject(&frame(Chip::MAC, number, 60));
        }
        let before = wire.writes(RDT);
        assert_eq!(e1000.queue().receive(0, &mut |_| panic!("none was asked for")).unwrap(), 0);
        assert_eq!(wire.writes(RDT) - before, 0);
        assert_eq!(e1000.queue().receive(64, &mut |_| {}).unwrap(), 64);
        assert_eq!(wire.writes(RDT) - before, 1);
        assert_eq!(e1000.queue().receive(100, &mut |_| {}).unwrap(), 100);
        assert_eq!(wire.writes(RDT) - before, 3);
        assert_eq!(e1000.queue().receive(100, &mut |_| {}).unwrap(), 36);
        assert_eq!(wire.room(), 255);
    });
}

#[test]
fn only_what_is_for_this_station_or_for_all_comes_unless_promiscuous() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let (other, group) = (Mac([0x52, 0x54, 0, 0x99, 0x99, 0x99]), Mac([0x01, 0, 0x5e, 0, 0, 0xfb]));
        let try_all = || [Chip::MAC, BROADCAST, other, group].map(|to| wire.inject(&frame(to, 7, 60)));
        let strict = [Delivery::Received, Delivery::Received, Delivery::Filtered, Delivery::Filtered];
        assert_eq!(try_all(), strict);
        assert_eq!(drain(&mut e1000).len(), 2);

        let written = wire.writes(RCTL);
        e1000.set_filter(&Filter::default()).unwrap();
        assert_eq!(
            wire.writes(RCTL),
            written,
            "no change, no write: each one stops an emulated chip for a second"
        );
        e1000.set_filter(&Filter::promiscuous()).unwrap();
        e1000.set_filter(&Filter::promiscuous()).unwrap();
        assert_eq!(wire.writes(RCTL), written + 1);
        assert_eq!(try_all(), [Delivery::Received; 4]);
        assert_eq!(drain(&mut e1000).len(), 4);
        e1000.set_filter(&Filter::default()).unwrap();
        assert_eq!(try_all(), strict);
    });
}

#[test]
fn stations_and_groups_are_let_in_as_the_filter_says() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let station = |number: u8| Mac([0x52, 0x54, 0, 0x99, 0x99, number]);
        let group = |number: u8| Mac([0x01, 0, 0x5e, 0, 0, number]);
        let mut comes = |filter: &Filter, to: Mac| {
            e1000.set_filter(filter).unwrap();
            let comes = wire.inject(&frame(to, 7, 60)) == Delivery::Received;
            assert_eq!(drain(&mut e1000).len(), usize::from(comes));
            comes
        };
        let some = Filter { macs: vec![station(1), station(2), group(1)], ..Filter::default() };
        for to in [Chip::MAC, BROADCAST, station(1), station(2), group(1)] {
            assert!(comes(&some, to), "{to}");
        }
        assert!(!comes(&some, station(3)) && !comes(&some, group(2)));
        assert!(!comes(&Filter::default(), station(1)) && !comes(&Filter::default(), group(1)));
        let groups = Filter { all_multicast: true, ..Filter::default() };
        assert!(comes(&groups, group(9)) && !comes(&groups, station(1)));
        // More than the table has: more is let in.
        let many = Filter { macs: (0..100).map(station).collect(), ..Filter::default() };
        assert!((0..100).all(|number| comes(&many, station(number))));
        assert!(!comes(&Filter::default(), station(1)));
    });
}

#[test]
fn descriptors_that_lie_are_dropped_and_counted() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let good = frame(Chip::MAC, 1, 100);
        // Longer than any buffer, without an end, empty, damaged.
        for (length, status, errors) in [
            (0xffff, DD | EOP, 0),
            (2049, DD | EOP, 0),
            (0, DD | EOP, 0),
            (13, DD | EOP, 0),
            (64, DD | EOP, 0x01),
        ] {
            assert!(wire.misdescribe(length, status, errors));
            wire.inject(&good);
        }
        assert_eq!(drain(&mut e1000), vec![good.clone(); 5]);
        assert_eq!(e1000.statistics().unwrap().receive_errors, 5);
        // A frame over three descriptors is dropped whole, as one.
        for status in [DD, DD, DD | EOP] {
            assert!(wire.misdescribe(0xffff, status, 0));
        }
        wire.inject(&good);
        assert_eq!(drain(&mut e1000), std::slice::from_ref(&good));
        assert_eq!(e1000.statistics().unwrap().receive_errors, 6);
        // A whole ring of rubbish, twice, gives every buffer back.
        for _ in 0..2 {
            while wire.misdescribe(0xffff, DD, 0xff) {}
            assert!(drain(&mut e1000).is_empty());
            assert_eq!(wire.room(), 255);
        }
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn a_panic_in_take_loses_neither_buffers_nor_the_frames_behind() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        for number in 0..10 {
            wire.inject(&frame(Chip::MAC, number, 60));
        }
        let mut calls = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            e1000.queue().receive(10, &mut |_| {
                calls += 1;
                assert!(calls < 4, "a panic on purpose");
            })
        }));
        assert!(outcome.is_err());
        let mut rest = Vec::new();
        assert_eq!(
            e1000.queue().receive(2, &mut |received| rest.push(received.bytes().into_owned())).unwrap(),
            2
        );
        rest.extend(drain(&mut e1000));
        assert_eq!(rest, (4..10).map(|number| frame(Chip::MAC, number, 60)).collect::<Vec<_>>());
        assert!(wire.room() > 255 - 16, "the chip does without a few");
    });
}

#[test]
fn whoever_waits_is_woken_from_outside() {
    everywhere(|place| {
        let (mut e1000, _wire) = place.start();
        let patience = Duration::from_secs(60);
        for late in [false, true] {
            let waker = e1000.queue().waker();
            let waking = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(if late { 20 } else { 0 }));
                waker.schedule();
            });
            if !late {
                waking.join().unwrap();
                assert!(e1000.queue().wait(Interest::Receive, patience).unwrap());
            } else {
                assert!(e1000.queue().wait(Interest::Receive, patience).unwrap());
                waking.join().unwrap();
            }
            // Once.
            assert!(!e1000.queue().wait(Interest::Receive, Duration::ZERO).unwrap());
        }
    });
}
