//! Frames both ways, over everything that devices differ in.

mod common;

use std::time::Duration;

use common::{BROADCAST, drain, frame, left, queue, send, start, start_with, variants, waiting};
use dirql::class::net::{Filter, Interest, Net, QueueCounters};
use dirql::interrupt::Wait;
use dirql_virtio::model::{Adapter, Delivery};

/// All lengths that a frame can have, in turn.
fn len(number: u32) -> usize {
    60 + (number as usize * 97) % 1455
}

#[test]
fn every_frame_arrives_once_and_whole_both_ways_on_every_kind_of_device() {
    for (name, options) in variants() {
        for wait in [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(20) }, Wait::Poll] {
            let (mut net, wire) = start_with(options.clone(), &waiting(wait));
            let (mut sent, mut injected, mut received) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..400_u32 {
                let burst: Vec<_> =
                    (0..round % 7).map(|n| frame(BROADCAST, 100 * round + n, len(round + n))).collect();
                let taken = send(queue(&mut net), &burst);
                sent.extend_from_slice(&burst[..taken]);
                for n in 0..round % 5 {
                    let frame = frame(Adapter::MAC, 100 * round + n, len(round + n));
                    match wire.inject(&frame) {
                        Delivery::Received => injected.push(frame),
                        other => assert_eq!(other, Delivery::Missed, "{name}"),
                    }
                }
                if round % 3 == 0 {
                    received.extend(drain(queue(&mut net)));
                }
            }
            received.extend(drain(queue(&mut net)));
            assert!(
                left(&wire) == sent && sent.len() > 100,
                "{name}, {wait:?}: what left is not what was sent"
            );
            assert!(
                received == injected && received.len() > 100,
                "{name}, {wait:?}: what came is not what was injected"
            );
            assert_eq!(net.queue().in_flight().unwrap(), 0, "{name}");
            assert_eq!(wire.bus().faults(), [], "{name}");
            assert_eq!(wire.status(), 15, "{name}");
            let statistics = net.statistics().unwrap();
            assert_eq!(statistics.transmit_frames, sent.len() as u64);
            assert_eq!(statistics.receive_frames, received.len() as u64);
            assert_eq!(statistics.receive_bytes, received.iter().map(|f| f.len() as u64 + 4).sum::<u64>());
            let seen = net.meters().unwrap().read();
            assert_eq!((seen.statistics, seen.link), (Some(statistics), Some(net.link().unwrap())), "{name}");
            let wanted = QueueCounters {
                receive_frames: received.len() as u64,
                receive_bytes: received.iter().map(|frame| frame.len() as u64).sum(),
                transmit_frames: sent.len() as u64,
                transmit_bytes: sent.iter().map(|frame| frame.len() as u64).sum(),
                receive_doorbells: seen.queues[0].receive_doorbells,
                transmit_doorbells: seen.queues[0].transmit_doorbells,
                receive_dropped: 0,
            };
            assert_eq!(seen.queues, [wanted], "{name}");
            assert_eq!(net.queue().counters(), wanted, "{name}");
        }
    }
}

#[test]
fn nothing_is_lost_while_the_indices_run_around() {
    for (name, options) in variants().into_iter().filter(|(name, _)| !name.starts_with("vectors")) {
        let (mut net, wire) = start(options);
        let small = frame(BROADCAST, 7, 60);
        // More than 65536 chains, so that 16 bits run over, and not a multiple of a ring.
        for round in 0..22_000_u32 {
            assert_eq!(send(queue(&mut net), &[small.clone(), small.clone(), small.clone()]), 3, "{name}");
            for n in 0..3 {
                assert_eq!(
                    wire.inject(&frame(Adapter::MAC, 3 * round + n, 60)),
                    Delivery::Received,
                    "{name}"
                );
            }
            let mut next = 3 * round;
            let taken = net.queue().receive(64, &mut |got| {
                assert_eq!(*got.bytes(), frame(Adapter::MAC, next, 60), "{name}");
                next += 1;
            });
            assert_eq!(taken.unwrap(), 3, "{name}");
            assert_eq!(wire.sent().len(), 3, "{name}");
        }
    }
}

#[test]
fn a_full_queue_takes_no_more_and_goes_on_when_it_is_no_longer() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options.clone());
        wire.hold(true);
        let frames: Vec<_> = (0..300).map(|number| frame(BROADCAST, number, 60)).collect();
        let room = send(queue(&mut net), &frames);
        assert_eq!(room, usize::from(options.queue_sizes.1), "{name}");
        assert_eq!(send(queue(&mut net), &frames[room..]), 0, "{name}");
        assert_eq!(net.queue().in_flight().unwrap(), room, "{name}");
        wire.hold(false);
        assert!(net.queue().wait(Interest::Transmit, Duration::from_secs(5)).unwrap(), "{name}");
        let mut done = room;
        while done < frames.len() {
            done += send(queue(&mut net), &frames[done..]);
        }
        assert!(left(&wire) == frames, "{name}");
    }
}

#[test]
fn a_flood_is_received_as_far_as_there_are_buffers_and_reception_goes_on() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options.clone());
        let buffers = u32::from(options.queue_sizes.0);
        let flood: Vec<_> = (0..buffers + 10).map(|number| frame(Adapter::MAC, number, 60)).collect();
        for (number, frame) in (0..).zip(&flood) {
            let expected = if number < buffers { Delivery::Received } else { Delivery::Missed };
            assert_eq!(wire.inject(frame), expected, "{name}");
        }
        assert!(drain(queue(&mut net)) == flood[..buffers as usize], "{name}");
        // A device without buffers has asked to be told of some.
        assert!(wire.heard(0).0 >= 1, "{name}");
        assert_eq!(wire.inject(&flood[0]), Delivery::Received, "{name}");
        assert_eq!(drain(queue(&mut net)).len(), 1, "{name}");
    }
}

#[test]
fn a_burst_rings_once_and_a_device_at_work_is_left_alone() {
    for (name, options) in variants() {
        let (mut net, wire) = start(options);
        let burst: Vec<_> = (0..4).map(|number| frame(BROADCAST, number, 60)).collect();
        let before = wire.heard(1).0;
        assert_eq!(send(queue(&mut net), &burst), 4);
        assert_eq!(wire.heard(1).0, before + 1, "{name}");
        assert_eq!(net.queue().counters().transmit_doorbells, before + 1, "{name}");
    }
    let (mut net, wire) = start(Default::default());
    send(queue(&mut net), &[frame(BROADCAST, 0, 60)]);
    wire.hold(true);
    let before = wire.heard(1).0;
    // It has asked to be told of the first; while it is at that, it needs to hear of no other.
    for number in 0..100 {
        send(queue(&mut net), &[frame(BROADCAST, number, 60)]);
    }
    assert_eq!(wire.heard(1).0, before + 1);
    wire.hold(false);
    assert_eq!(wire.sent().len(), 101);
}

#[test]
fn waiting_tells_frames_from_silence() {
    for (name, options) in variants() {
        for wait in [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(20) }, Wait::Poll] {
            let (mut net, wire) = start_with(options.clone(), &waiting(wait));
            drain(queue(&mut net));
            let quiet = |net: &mut dyn Net| {
                while net.queue().wait(Interest::Both, Duration::from_millis(20)).unwrap() {}
            };
            quiet(&mut net);
            for number in 0..50 {
                let late = wire.clone();
                let thread = std::thread::spawn(move || {
                    if number % 2 == 0 {
                        std::thread::sleep(Duration::from_micros(300));
                    }
                    late.inject(&frame(Adapter::MAC, number, 60))
                });
                let mut got = Vec::new();
                while got.is_empty() {
                    assert!(
                        net.queue().wait(Interest::Receive, Duration::from_secs(5)).unwrap(),
                        "{name}, {wait:?}"
                    );
                    got = drain(queue(&mut net));
                }
                assert_eq!(thread.join().unwrap(), Delivery::Received);
                assert!(got == [frame(Adapter::MAC, number, 60)], "{name}, {wait:?}");
            }
            quiet(&mut net);
            assert!(!net.queue().wait(Interest::Both, Duration::from_millis(5)).unwrap(), "{name}, {wait:?}");
        }
    }
}

#[test]
fn while_it_polls_a_device_raises_nothing() {
    for (name, options) in variants() {
        let (mut net, wire) = start_with(options, &waiting(Wait::Poll));
        for number in 0..2000 {
            wire.inject(&frame(Adapter::MAC, number, 60));
            send(queue(&mut net), &[frame(BROADCAST, number, 60)]);
            drain(queue(&mut net));
        }
        let calls: u64 = dirql::driver::Driver::vectors(&net).iter().map(|vector| vector.calls).sum();
        assert_eq!(calls, 0, "{name}");
    }
}

#[test]
fn short_frames_are_padded_and_what_is_no_frame_is_refused() {
    let (mut net, wire) = start(Default::default());
    // A buffer that held something longer before.
    for _ in 0..300 {
        send(queue(&mut net), &[vec![0xee; 1000]]);
    }
    wire.sent();
    send(queue(&mut net), &[vec![1; 20]]);
    assert_eq!(left(&wire), [[[1; 20].as_slice(), &[0; 40]].concat()]);
    for len in [0, 1519, usize::MAX] {
        let error = net.queue().transmit(&mut |_| Some(len.into())).unwrap_err();
        assert_eq!(error.kind(), dirql::ErrorKind::InvalidArgument, "{len}");
    }
    assert_eq!(wire.sent().len(), 0);
    assert_eq!(send(queue(&mut net), &[vec![2; 1518]]), 1);
}

#[test]
fn a_panic_of_the_programs_own_loses_no_buffer() {
    let (mut net, wire) = start(Default::default());
    for number in 0..600 {
        wire.inject(&frame(Adapter::MAC, number, 60));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = net.queue().receive(1, &mut |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = net.queue().transmit(&mut |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
    }
    net.set_filter(&Filter::promiscuous()).unwrap();
    assert_eq!(drain(queue(&mut net)).len(), 0);
    let sent: Vec<_> = (0..256).map(|number| frame(BROADCAST, number, 60)).collect();
    assert_eq!(send(queue(&mut net), &sent), 256);
    wire.inject(&sent[0]);
    assert_eq!(drain(queue(&mut net)).len(), 1);
}
