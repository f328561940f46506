//! Frames out.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{BROADCAST, drain, everywhere, frame, put, send};
use dirql::ErrorKind;
use dirql::class::net::{Interest, MAX_FRAME, MIN_FRAME, Net};
use dirql_e1000::model::register::TDT;

/// What the ring takes at once.
const ROOM: usize = 255;

#[test]
fn frames_go_out_as_they_are_and_in_order() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let frames: Vec<_> = (0..1000_u32)
            .map(|i| frame(BROADCAST, i, MIN_FRAME + i as usize * 37 % (MAX_FRAME - MIN_FRAME + 1)))
            .collect();
        for batch in frames.chunks(31) {
            assert_eq!(send(&mut e1000, batch), batch.len());
        }
        assert_eq!(wire.sent(), frames);
        assert_eq!(wire.bus().faults(), []);
    });
}

#[test]
fn short_frames_are_padded_with_zeros() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        // Every buffer has held something else before.
        assert_eq!(send(&mut e1000, &vec![vec![0xff; MAX_FRAME]; ROOM]), ROOM);
        wire.sent();
        for len in [1, 14, 42, 59, 60, 61] {
            assert_eq!(send(&mut e1000, &[vec![0xab; len]]), 1);
            let mut padded = vec![0xab; len];
            padded.resize(len.max(MIN_FRAME), 0);
            assert_eq!(wire.sent(), [padded]);
        }
    });
}

#[test]
fn a_hundred_thousand_frames_none_lost_doubled_or_reordered() {
    everywhere(|place| {
        for batch in [7, 31, 255] {
            let (mut e1000, wire) = place.start();
            let mut next = 0..100_000_u32;
            let mut seen = 0_u32;
            while !next.is_empty() {
                let mut left = batch;
                let queued = e1000.queue().transmit(&mut |room| {
                    if left == 0 {
                        return None;
                    }
                    left -= 1;
                    put(room, &frame(BROADCAST, next.next()?, 60))
                });
                assert!(queued.unwrap() > 0, "the model sends at once, so there is always room");
                for sent in wire.sent() {
                    assert_eq!(sent, frame(BROADCAST, seen, 60), "frame {seen} in batches of {batch}");
                    seen += 1;
                }
            }
            assert_eq!(seen, 100_000);
            assert_eq!(e1000.statistics().unwrap().transmit_frames, 100_000);
            assert_eq!(e1000.statistics().unwrap().transmit_bytes, 6_400_000);
        }
    });
}

#[test]
fn the_doorbell_rings_once_a_call() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let before = wire.writes(TDT);
        for (calls, frames) in [(1, 1), (2, 64), (3, 65), (4, ROOM)] {
            assert_eq!(send(&mut e1000, &vec![frame(BROADCAST, 0, 60); frames]), frames);
            assert_eq!(wire.writes(TDT) - before, calls);
        }
        // Nothing to say, nothing told.
        assert_eq!(send(&mut e1000, &[]), 0);
        assert_eq!(wire.writes(TDT) - before, 4);
    });
}

#[test]
fn a_full_ring_takes_no_more_until_frames_were_sent() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let frames: Vec<_> = (0..400).map(|i| frame(BROADCAST, i, 60)).collect();
        wire.hold(true);
        assert_eq!(send(&mut e1000, &frames), ROOM);
        assert_eq!(send(&mut e1000, &frames[ROOM..]), 0);
        assert_eq!(e1000.queue().in_flight().unwrap(), ROOM);
        while e1000.queue().wait(Interest::Both, Duration::ZERO).unwrap() {}
        wire.hold(false);
        assert!(
            e1000.queue().wait(Interest::Both, Duration::from_secs(5)).unwrap(),
            "an interrupt says that they were sent"
        );
        assert_eq!(e1000.queue().in_flight().unwrap(), 0);
        assert_eq!(send(&mut e1000, &frames[ROOM..]), frames.len() - ROOM);
        assert_eq!(wire.sent(), frames);
    });
}

#[test]
fn a_bad_length_is_refused_and_loses_nothing() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let good = frame(BROADCAST, 1, 100);
        for bad in [0, usize::MAX] {
            let mut calls = 0;
            let error = e1000.queue().transmit(&mut |room| {
                calls += 1;
                if calls == 3 { Some(bad.min(room.len() + 1).into()) } else { put(room, &good) }
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
            assert_eq!(calls, 3);
            assert_eq!(wire.sent(), [good.clone(), good.clone()]);
        }
        assert_eq!(send(&mut e1000, &vec![good.clone(); 300]), ROOM, "every buffer is still there");
        assert_eq!(wire.sent(), vec![good; ROOM]);
    });
}

#[test]
fn a_panic_in_fill_loses_no_buffer() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let good = frame(BROADCAST, 1, 100);
        for _ in 0..5 {
            let mut calls = 0;
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                e1000.queue().transmit(&mut |room| {
                    calls += 1;
                    assert!(calls < 40, "a panic on purpose");
                    put(room, &good)
                })
            }));
            assert!(outcome.is_err());
        }
        send(&mut e1000, &[]);
        assert_eq!(wire.sent().len(), 5 * 39, "what was filled before goes out with the next call");
        assert_eq!(send(&mut e1000, &vec![good; 300]), ROOM);
        assert!(drain(&mut e1000).is_empty());
    });
}
