//! Two pairs of rings, their vectors, and what happens where those are too few.

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::packets::Packet;
use common::{Place, everywhere, frame, put};
use dirql::class::net::{Interest, Net, Queue};
use dirql::driver::Driver;
use dirql::interrupt::{Mode, Wait};
use dirql_e1000::E1000;
use dirql_e1000::model::{Chip, Delivery, Wire};

/// Every way of an 82574L with two pairs.
fn two() -> impl Iterator<Item = Place> {
    Place::all().into_iter().filter(|place| place.is_express).map(|place| place.with(|net| net.queues = 2))
}

/// A packet of a flow, with a number.
fn packet(port: u16, number: u32) -> Vec<u8> {
    let mut packet = Packet::all(18).remove(if port.is_multiple_of(2) { 0 } else { 4 });
    (packet.port, packet.sequence) = (port, number);
    packet.frame()
}

/// The flow and the number of a packet.
fn flow(frame: &[u8]) -> (u16, u32) {
    let tcp = if frame[12] == 8 { 34 } else { 54 };
    let port = u16::from_be_bytes([frame[tcp], frame[tcp + 1]]);
    (port, u32::from_be_bytes(frame[tcp + 4..tcp + 8].try_into().unwrap()))
}

const FLOWS: u16 = 16;
const EACH: u32 = 500;

/// Sends packets of all flows to the chip, and waits where there is no room.
fn inject(wire: &Wire) {
    for number in 0..EACH {
        for port in 0..FLOWS {
            let packet = packet(port, number);
            let deadline = Instant::now() + Duration::from_secs(20);
            while wire.inject(&packet) != Delivery::Received {
                assert!(Instant::now() < deadline, "nobody makes room");
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

/// What came by a queue, until all have seen everything: the numbers of each flow, in order.
fn collect(queue: &mut dyn Queue, seen: &AtomicU32) -> HashMap<u16, Vec<u32>> {
    let mut flows: HashMap<u16, Vec<u32>> = HashMap::new();
    let all = u32::from(FLOWS) * EACH;
    let mut silent = Instant::now();
    while seen.load(Ordering::Relaxed) < all {
        let taken = queue.receive(32, &mut |frame| {
            let (port, number) = flow(&frame.bytes());
            flows.entry(port).or_default().push(number);
        });
        let taken = taken.unwrap() as u32;
        seen.fetch_add(taken, Ordering::Relaxed);
        if taken > 0 {
            silent = Instant::now();
        } else {
            assert!(silent.elapsed() < Duration::from_secs(20), "a wakeup was lost");
            queue.wait(Interest::Receive, Duration::from_millis(500)).unwrap();
        }
    }
    flows
}

#[test]
fn flows_are_spread_over_two_threads_and_stay_in_order() {
    for wait in [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(20) }, Wait::Poll] {
        for place in two().map(|place| place.with(|net| net.wait = wait)) {
            eprintln!("{place:?}");
            let (mut e1000, wire) = place.start();
            let seen = AtomicU32::new(0);
            let flows = std::thread::scope(|scope| {
                let queues = e1000.queues();
                assert_eq!(queues.len(), 2);
                let threads: Vec<_> =
                    queues.into_iter().map(|queue| scope.spawn(|| collect(queue, &seen))).collect();
                inject(&wire);
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            for flows in &flows {
                assert!(flows.len() >= 2, "flows are spread");
                assert!(flows.values().all(|numbers| numbers.iter().copied().eq(0..EACH)), "and in order");
            }
            assert_eq!(flows[0].len() + flows[1].len(), usize::from(FLOWS), "each flow came by one queue");
            assert_eq!(wire.bus().faults(), []);
        }
    }
}

#[test]
fn both_queues_send_at_once() {
    for place in two() {
        let (mut e1000, wire) = place.start();
        std::thread::scope(|scope| {
            for (index, queue) in (0..).zip(e1000.queues()) {
                scope.spawn(move || {
                    let mut number = 0_u32;
                    while number < 5000 {
                        let to = dirql::class::net::Mac([2, 0, 0, 0, 0, index]);
                        let sent = queue.transmit(&mut |room| {
                            let frame = frame(to, Some(number).filter(|&number| number < 5000)?, 60);
                            number += 1;
                            put(room, &frame)
                        });
                        assert!(sent.unwrap() > 0, "the model sends at once");
                    }
                });
            }
        });
        let mut expected = [0, 0];
        for sent in wire.sent() {
            let (queue, number) = (sent[5], u32::from_le_bytes(sent[14..18].try_into().unwrap()));
            assert_eq!(number, expected[usize::from(queue)]);
            expected[usize::from(queue)] += 1;
        }
        assert_eq!(expected, [5000, 5000]);
        let counters: Vec<_> = e1000.queues().iter().map(|queue| queue.counters()).collect();
        assert_eq!(
            counters.iter().map(|counters| counters.transmit_frames).collect::<Vec<_>>(),
            [5000, 5000]
        );
    }
}

/// How often the handler of each vector was called.
fn calls(e1000: &E1000) -> Vec<u64> {
    e1000.vectors().iter().map(|vector| vector.calls).collect()
}

/// A call is counted once it is over.
fn counted(e1000: &E1000, wanted: [u64; 5]) {
    common::eventually("as many calls", || calls(e1000) == wanted);
}

#[test]
fn with_msix_each_cause_calls_the_handler_of_its_own_vector() {
    let place = two().find(|place| place.mode() == Mode::Msix).unwrap();
    let (mut e1000, wire) = place.start();
    assert_eq!(calls(&e1000), [0; 5]);
    // Nobody waits, so no queue may interrupt; and TCP's acknowledgements are nobody's.
    for port in 0..FLOWS {
        assert_eq!(wire.inject(&packet(port, 0)), Delivery::Received);
    }
    for queue in e1000.queues() {
        queue.transmit(&mut |_| None).unwrap();
        while queue.receive(64, &mut |_| {}).unwrap() > 0 {}
    }
    assert_eq!(calls(&e1000), [0; 5]);
    let mut queues = e1000.queues();
    let by_second = (0..FLOWS).find(|&port| {
        wire.inject(&packet(port, 0));
        let second = queues[1].receive(1, &mut |_| {}).unwrap() == 1;
        while queues[0].receive(1, &mut |_| {}).unwrap() > 0 {}
        second
    });
    let wake = |queue: &mut dyn Queue, interest: Interest, then: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                then();
            });
            assert!(queue.wait(interest, Duration::from_secs(10)).unwrap());
        });
    };
    wake(queues[1], Interest::Receive, &|| {
        wire.inject(&packet(by_second.unwrap(), 1));
    });
    drop(queues);
    counted(&e1000, [0, 0, 1, 0, 0]);
    wake(e1000.queue(), Interest::Receive, &|| {
        wire.inject(&frame(Chip::MAC, 1, 60));
    });
    counted(&e1000, [1, 0, 1, 0, 0]);
    wire.hold(true);
    e1000
        .queue()
        .transmit(&mut |room| {
            (room[0] == 0).then(|| {
                room[0] = 2;
                60.into()
            })
        })
        .unwrap();
    wake(e1000.queue(), Interest::Transmit, &|| wire.hold(false));
    counted(&e1000, [1, 1, 1, 0, 0]);
    wake(e1000.queue(), Interest::Both, &|| wire.set_link(false));
    counted(&e1000, [1, 1, 1, 0, 1]);
    assert!(!e1000.link().unwrap().up);
}

#[test]
fn too_few_vectors_are_shared() {
    for (vectors, queues) in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (4, 2)] {
        let place = Place::all().into_iter().find(|place| place.is_express).unwrap();
        let mut settings = place.settings();
        // Whatever is best; the host has few.
        (settings.interrupts, settings.net.queues) = (None, queues);
        let (device, wire) = place.chip().with_vectors(vectors).plug_in().unwrap();
        let mut e1000 = E1000::start(device, &settings).unwrap();
        assert_eq!(e1000.vectors().len(), usize::from(vectors));
        assert_eq!(e1000.vectors()[0].mode, Mode::Msix);
        let seen = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                e1000.queues().into_iter().map(|queue| scope.spawn(|| collect(queue, &seen))).collect();
            inject(&wire);
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
        wire.set_link(false);
        common::eventually("the link is seen to go", || !e1000.link().unwrap().up);
        assert!(e1000.selftest().iter().all(|check| check.outcome != dirql::selftest::Outcome::Fail));
    }
}

#[test]
fn a_flow_of_acknowledgements_interrupts_nobody_who_does_not_wait() {
    everywhere(|place| {
        let (mut e1000, wire) = place.start();
        for number in 0..100 {
            assert_eq!(wire.inject(&packet(0, number)), Delivery::Received);
        }
        assert!(e1000.queue().wait(Interest::Receive, Duration::ZERO).unwrap());
        assert!(e1000.vectors().iter().all(|vector| vector.calls == 0));
    });
}
