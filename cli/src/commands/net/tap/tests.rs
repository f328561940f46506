use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dirql::class::net::MAX_FRAME;
use dirql::class::net::napi::Napi;
use dirql::driver::Settings;
use dirql_e1000::model::{Chip, Delivery};

use super::*;
use crate::stack::wire::{Two, Wire};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A queue of an interface, and the kernel's end of it.
fn queue() -> (TapQueue, UnixDatagram) {
    let (ours, kernel) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    kernel.set_read_timeout(Some(PATIENCE)).unwrap();
    kernel.set_write_timeout(Some(PATIENCE)).unwrap();
    (TapQueue::new(ours.into(), false), kernel)
}

fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; len];
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    frame
}

fn received(kernel: &UnixDatagram) -> Vec<u8> {
    let mut bytes = vec![0; MAX_FRAME];
    let len = kernel.recv(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// Bridges while `use_it` does what it does; what was carried, and how the link was reported.
fn bridged(
    net: &mut dyn Net,
    queues: &[TapQueue],
    wait: Wait,
    use_it: impl FnOnce() + Send,
) -> (Result<Counts>, Vec<bool>) {
    let stop = Stop::never();
    let mut links = Vec::new();
    let outcome = thread::scope(|scope| {
        let user = scope.spawn(|| {
            // The bridge is ended also where what it is used for fails.
            let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(use_it));
            stop.ask();
            used
        });
        let mut bridge = Bridge { net, queues, wait, stop: &stop };
        let outcome = bridge.run(&mut |link, _| {
            links.push(link.up);
            Ok(())
        });
        user.join().unwrap().unwrap();
        outcome
    });
    (outcome, links)
}

const WAITS: [Wait; 3] = [Wait::Block, Wait::Adaptive { spin: Duration::from_micros(50) }, Wait::Poll];

/// Both ways at once, by interrupts and by the bell: nothing is lost, doubled or out of order.
#[test]
fn carries_all_frames_both_ways_through_an_e1000() {
    for wait in WAITS {
        let (device, wire) = Chip::new().plug_in().unwrap();
        let mut settings = Settings::default();
        settings.net.wait = wait;
        let mut running = Running::probe(device, &dirql_e1000::DRIVER, &settings).unwrap();
        let (tap, kernel) = queue();
        let count = 2000;
        let of = |number: u32| frame(number, 60 + number as usize % 1455);
        let taken = AtomicU32::new(0);
        let (outcome, links) = bridged(running.net().unwrap(), &[tap], wait, || {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..count {
                        kernel.send(&of(number)).unwrap();
                        if number % 97 == 0 {
                            // It falls asleep now and then.
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                });
                scope.spawn(|| {
                    let deadline = Instant::now() + PATIENCE;
                    for number in 0..count {
                        // The kernel's end has room for no more than ten.
                        while number - taken.load(Ordering::Relaxed) > 8 {
                            assert!(Instant::now() < deadline, "{number} were not taken");
                            thread::yield_now();
                        }
                        assert_eq!(wire.inject(&of(number)), Delivery::Received);
                    }
                });
                for number in 0..count {
                    assert!(received(&kernel) == of(number), "{number}");
                    taken.store(number + 1, Ordering::Relaxed);
                }
                let (mut sent, deadline) = (Vec::new(), Instant::now() + PATIENCE);
                while sent.len() < count as usize {
                    sent.extend(wire.sent());
                    assert!(Instant::now() < deadline, "{} were sent", sent.len());
                    thread::sleep(Duration::from_micros(100));
                }
                assert!((0..count).map(of).eq(sent), "they differ");
            });
        });
        let counts = outcome.unwrap();
        assert_eq!((counts.sent, counts.received, counts.dropped), (2000, 2000, 0), "{wait:?}");
        assert!(!links.is_empty(), "{wait:?}");
        running.stop().unwrap();
    }
}

#[test]
fn says_when_the_cable_is_pulled_and_put_back() {
    for wait in WAITS {
        let (device, wire) = Chip::new().plug_in().unwrap();
        let mut settings = Settings::default();
        settings.net.wait = wait;
        let mut running = Running::probe(device, &dirql_e1000::DRIVER, &settings).unwrap();
        let (tap, kernel) = queue();
        let seen = std::sync::Mutex::new(Vec::new());
        let stop = Stop::never();
        thread::scope(|scope| {
            scope.spawn(|| {
                // For all of them: without interrupts it would take longer.
                let deadline = Instant::now() + PATIENCE;
                let until = |count| {
                    while seen.lock().unwrap().len() < count && Instant::now() < deadline {
                        thread::sleep(Duration::from_micros(200));
                    }
                };
                until(1);
                for change in 1..=6 {
                    wire.set_link(change % 2 == 0);
                    until(1 + change);
                }
                kernel.send(&frame(7, 60)).unwrap();
                while wire.sent().is_empty() && Instant::now() < deadline {
                    thread::sleep(Duration::from_micros(200));
                }
                stop.ask();
            });
            let queues = [tap];
            let mut bridge = Bridge { net: running.net().unwrap(), queues: &queues, wait, stop: &stop };
            let counts = bridge.run(&mut |link, mac| {
                assert_eq!(mac, Chip::MAC);
                seen.lock().unwrap().push(link.up);
                Ok(())
            });
            assert_eq!(counts.unwrap().sent, 1, "{wait:?}");
        });
        assert_eq!(*seen.lock().unwrap(), [true, false, true, false, true, false, true], "{wait:?}");
        running.stop().unwrap();
    }
}

#[test]
fn every_pair_of_rings_has_a_queue() {
    let mut two = Two([Wire::new(), Wire::new()]);
    for (index, wire) in two.0.iter_mut().enumerate() {
        (0..100).for_each(|number| wire.inject(&frame(number, 60 + index)));
    }
    let ((first, kernel), (second, other)) = (queue(), queue());
    let (outcome, _) = bridged(&mut two, &[first, second], Wait::Block, || {
        for (kernel, len) in [(&kernel, 60), (&other, 61)] {
            (0..100).for_each(|number| assert_eq!(received(kernel), frame(number, len)));
            // By the bell: nothing else wakes it.
            kernel.send(&frame(7, len)).unwrap();
        }
        // Longer than a round.
        thread::sleep(Duration::from_millis(300));
    });
    let counts = outcome.unwrap();
    assert_eq!((counts.sent, counts.received, counts.dropped), (2, 200, 0));
    assert!(two.0.iter().zip([60, 61]).all(|(wire, len)| wire.sent == [frame(7, len)]));
}

#[test]
fn a_full_ring_holds_frames_back_and_loses_none() {
    let mut wire = Wire::new();
    wire.ring = 3;
    let (tap, kernel) = queue();
    let (outcome, _) = bridged(&mut wire, &[tap], Wait::Block, || {
        (0..100).for_each(|number| assert_eq!(kernel.send(&frame(number, 60)).unwrap(), 60));
        thread::sleep(Duration::from_millis(200));
    });
    assert_eq!(outcome.unwrap().sent, wire.sent.len() as u64);
    assert!(
        wire.sent.len() >= 3 && (0..).map(|number| frame(number, 60)).zip(&wire.sent).all(|(a, b)| a == *b)
    );
}

/// Bridges with nobody there, until it ends by itself.
fn unattended(net: &mut dyn Net, queues: &[TapQueue]) -> Result<Counts> {
    let (stop, done) = (Stop::never(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + PATIENCE;
            while !done.load(Ordering::Relaxed) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            stop.ask();
        });
        let outcome = Bridge { net, queues, wait: Wait::Block, stop: &stop }.run(&mut |_, _| Ok(()));
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

#[test]
fn an_interface_that_is_gone_ends_it() {
    let (tap, kernel) = queue();
    drop(kernel);
    let mut wire = Wire::new();
    wire.inject(&frame(1, 60));
    let error = unattended(&mut wire, &[tap]).unwrap_err();
    assert!(error.to_string().contains("the interface is gone"), "{error}");
}

#[test]
fn a_device_that_fails_ends_it() {
    for broken in [0, 1] {
        let ((first, _kernel), (second, _other)) = (queue(), queue());
        let mut two = Two([Wire::new(), Wire::new()]);
        two.0[broken].broken = true;
        let error = unattended(&mut two, &[first, second]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device, "{broken}");
    }
}

#[test]
fn the_bell_rings_once_for_each_time_that_it_is_armed() {
    let (tap, kernel) = queue();
    let (queues, stop) = ([tap], Stop::never());
    let lane = Napi::new(Wait::Block);
    let bell = Bell::new(&queues, vec![lane.schedule()], Wait::Block, &stop).unwrap();
    thread::scope(|scope| {
        let ringing = scope.spawn(|| bell.ring());
        let rung = || {
            let deadline = Instant::now() + PATIENCE;
            while !bell.has_rung(0) && Instant::now() < deadline {
                thread::sleep(Duration::from_micros(200));
            }
            Instant::now() < deadline
        };
        // At first it is armed.
        kernel.send(&[0; 60]).unwrap();
        let mut seen = vec![rung()];
        for _ in 0..3 {
            // The frame is still there.
            seen.push(bell.has_rung(0));
            bell.arm(0).unwrap();
            seen.push(rung());
        }
        bell.look_at_link().unwrap();
        seen.push(bell.is_round_over());
        bell.close().unwrap();
        ringing.join().unwrap().unwrap();
        assert_eq!(seen, [true, false, true, false, true, false, true, true]);
    });
    assert!(bell.is_closed());
}
