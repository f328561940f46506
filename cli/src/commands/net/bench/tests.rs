use std::time::Duration;

use dirql::class::net::{Mac, Net};
use dirql::driver::Settings;
use dirql::interrupt;
use dirql_e1000::model::{Chip, Delivery};

use super::*;
use crate::stack::wire::{Two, Wire};

const TO: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn args(direction: Direction) -> args::Bench {
    let seconds = Duration::from_millis(100);
    args::Bench { direction, seconds, warmup: Duration::ZERO, batch: 32, size: 60, rate: None, to: TO }
}

fn run(net: &mut dyn Net, args: &args::Bench, wait: Wait) -> dirql::Result<Ran> {
    let work = Work::new(args, net.mac());
    let stop = Stop::never();
    let phase = Phase { work: &work, wait, stop: &stop };
    let ran = phase.run(net, args.seconds)?;
    phase.drain(net).map(|()| ran)
}

#[test]
fn sends_batches_of_frames_and_counts_them() {
    for (ring, wait) in [(7, Wait::Block), (40, Wait::Adaptive)] {
        let mut wire = Wire::new();
        wire.ring = ring;
        let ran = run(&mut wire, &args(Direction::Tx), wait).unwrap();
        let Counts { frames, bytes, doorbells } = ran.counts;
        assert_eq!((frames, bytes), (wire.sent.len() as u64, 60 * frames), "{ran:?}");
        assert!(frames > ring as u64 && doorbells >= frames.div_ceil(ring.min(32) as u64), "{ran:?}");
        let mut expected = [TO.0, wire.mac.0].concat();
        expected.extend([0x88, 0xb5]);
        expected.resize(60, 0);
        assert!(wire.sent.iter().all(|frame| *frame == expected), "{:?}", wire.sent[0]);
    }
}

#[test]
fn a_paced_sender_is_never_ahead() {
    let mut wire = Wire::new();
    let args = args::Bench { rate: Some(3000), ..args(Direction::Tx) };
    let ran = run(&mut wire, &args, Wait::Poll).unwrap();
    let frames = ran.counts.frames;
    assert!(frames > 0 && frames as f64 <= 3000.0 * ran.elapsed.as_secs_f64(), "{ran:?}");
}

#[test]
fn receives_whatever_comes() {
    for wait in [Wait::Block, Wait::Adaptive, Wait::Poll] {
        let mut wire = Wire::new();
        (0..400).for_each(|number| wire.inject(&vec![0; 60 + number]));
        let ran = run(&mut wire, &args(Direction::Rx), wait).unwrap();
        assert_eq!(ran.counts, Counts { frames: 400, bytes: (60..460).sum(), doorbells: 13 }, "{wait:?}");
    }
}

#[test]
fn every_pair_of_rings_has_a_thread() {
    let mut two = Two([Wire::new(), Wire::new()]);
    two.0.iter_mut().for_each(|wire| (0..50).for_each(|_| wire.inject(&[0; 100])));
    let ran = run(&mut two, &args(Direction::Rx), Wait::Block).unwrap();
    assert_eq!((ran.counts.frames, ran.counts.bytes), (100, 10_000));
    two.0.iter_mut().for_each(|wire| wire.ring = 4);
    let ran = run(&mut two, &args(Direction::Tx), Wait::Block).unwrap();
    let sent = two.0.each_ref().map(|wire| wire.sent.len() as u64);
    assert!(sent.iter().all(|&sent| sent > 0) && sent.iter().sum::<u64>() == ran.counts.frames, "{ran:?}");
}

#[test]
fn one_broken_pair_of_rings_ends_all() {
    for broken in [0, 1] {
        let mut two = Two([Wire::new(), Wire::new()]);
        two.0[broken].broken = true;
        let args = args::Bench { seconds: Duration::from_secs(600), ..args(Direction::Rx) };
        assert_eq!(run(&mut two, &args, Wait::Block).unwrap_err().kind(), ErrorKind::Device);
    }
}

/// The whole way: driver, rings, interrupts, statistics.
#[test]
fn measures_an_e1000_in_every_way_to_wait() {
    for wait in [Wait::Block, Wait::Adaptive, Wait::Poll] {
        let (device, wire) = Chip::new().plug_in().unwrap();
        let mut settings = Settings::default();
        settings.net.wait = interrupt::Wait::from(wait);
        let mut running = Running::probe(device, &dirql_e1000::DRIVER, &settings).unwrap();
        let stop = Stop::never();
        let args = args::Bench { warmup: Duration::from_millis(50), ..args(Direction::Tx) };
        let bench = Bench { args: &args, wait, stop: &stop };
        let report = bench.measure(&mut running, &Output::new(true)).unwrap();
        assert_eq!(wire.sent().len() as u64, report.total_frames, "{report:?}");
        let document = report.document();
        let frames = document["frames"].as_u64().unwrap();
        assert!(0 < frames && frames < report.total_frames, "{document}");
        assert_eq!((&document["wait"], &document["queues"]), (&json!(wait), &json!(1)));
        let each = document["doorbells_per_frame"].as_f64().unwrap();
        assert!((1.0 / 32.0..=1.0).contains(&each), "{document}");
        for key in ["bytes", "seconds", "rate", "per_second", "cpu_seconds", "cpu_ns_per_frame", "missed"] {
            assert!(!document[key].is_null(), "{key}: {document}");
        }
        assert!(wait != Wait::Poll || document["interrupts"] == 0, "{document}");

        // More than the ring has room for: what is missed is said.
        let args = args::Bench { warmup: Duration::ZERO, ..args };
        let args = args::Bench { direction: Direction::Rx, ..args };
        let (report, fates) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| (0..1000).map(|_| wire.inject(&[0xff; 60])).collect::<Vec<_>>());
            let bench = Bench { args: &args, wait, stop: &stop };
            (bench.measure(&mut running, &Output::new(true)).unwrap(), sender.join().unwrap())
        });
        let (got, missed) = (report.ran.counts.frames, report.missed());
        let of = |fate| fates.iter().filter(|&&of| of == fate).count() as u64;
        assert!(got > 0 && got <= of(Delivery::Received) && missed <= of(Delivery::Missed), "{report:?}");
        assert!(report.text().contains(&format!("{got} frames")), "{}", report.text());
        running.stop().unwrap();
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let long = args::Bench { size: 1515, ..args(Direction::Tx) };
    let paced = args::Bench { rate: Some(1), ..args(Direction::Rx) };
    for (args, why) in [(long, "1515 bytes is longer than 1514, which --mtu 1500"), (paced, "--rate")] {
        let error = check(&args, 1514).unwrap_err();
        assert!(error.to_string().contains(why) && error.kind().exit_code() == 2, "{error}");
    }
    assert!(check(&args(Direction::Tx), 1514).is_ok());
}
