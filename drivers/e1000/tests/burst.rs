//! What the loop that moves frames takes from the heap, and what others see of it meanwhile.

mod common;

use common::{BROADCAST, everywhere, frame, put};
use dirql::class::net::{Net, QueueCounters};
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery};

/// Frames of a burst, which fit into the ring.
const FRAMES: usize = 200;

/// Queues a burst, and gives what that took from the heap.
fn send(e1000: &mut E1000, frame: &[u8]) -> u64 {
    let mut left = FRAMES;
    let mut fill = |room: &mut [u8]| {
        left = left.checked_sub(1)?;
        put(room, frame)
    };
    let info = allocation_counter::measure(|| {
        assert_eq!(e1000.queue().transmit(&mut fill).unwrap(), FRAMES);
    });
    info.count_total
}

/// Receives a burst, and gives what that took from the heap.
fn receive(e1000: &mut E1000, len: usize) -> u64 {
    let info = allocation_counter::measure(|| {
        let taken = e1000.queue().receive(FRAMES, &mut |frame| assert_eq!(frame.len(), len)).unwrap();
        assert_eq!(taken, FRAMES);
    });
    info.count_total
}

#[test]
fn a_burst_takes_nothing_from_the_heap() {
    let boxed = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(boxed.count_total, 1, "the allocator does not count");
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let observer = e1000.meters().unwrap();
        let (out, into) = (frame(BROADCAST, 1, 120), frame(Chip::MAC, 1, 90));
        for round in 1..4 {
            // What the model sends it takes from the heap: it does that after the burst.
            wire.hold(true);
            assert_eq!(send(&mut e1000, &out), 0);
            let queue = observer.read().queues[0];
            assert_eq!(queue.transmit_frames, round * FRAMES as u64);
            assert_eq!(
                (queue.transmit_bytes, queue.transmit_doorbells),
                (queue.transmit_frames * 120, round)
            );
            wire.hold(false);
            assert_eq!(e1000.queue().in_flight().unwrap(), 0);
            for _ in 0..FRAMES {
                assert_eq!(wire.inject(&into), Delivery::Received);
            }
            assert_eq!(receive(&mut e1000, 90), 0);
            let queue = observer.read().queues[0];
            assert_eq!((queue.receive_frames, queue.receive_dropped), (round * FRAMES as u64, 0));
            assert_eq!(queue.receive_bytes, queue.receive_frames * 90);
            assert_eq!(queue, e1000.queue().counters());
        }
    });
}

/// The chip clears what is read: each frame is told to everybody all the same, whoever asked before.
#[test]
fn who_looks_from_outside_takes_nothing_away() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        let observer = e1000.meters().unwrap();
        let into = frame(Chip::MAC, 1, 90);
        for frames in 1..=10 {
            assert_eq!(wire.inject(&into), Delivery::Received);
            let outside = observer.read();
            let statistics = outside.statistics.unwrap();
            assert_eq!((statistics.receive_frames, statistics.receive_bytes), (frames, frames * 94));
            assert_eq!(e1000.statistics().unwrap(), statistics);
            assert_eq!(outside.link, Some(e1000.link().unwrap()));
        }
        assert_eq!(observer.read().queues, [QueueCounters { receive_doorbells: 1, ..Default::default() }]);
        drop(e1000);
        let after = observer.read();
        assert_eq!((after.link, after.statistics), (None, None));
    });
}
