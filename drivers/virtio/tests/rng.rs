//! The entropy device on the model: every byte once and in order, however it comes.

use std::time::{Duration, Instant};

use dirql::class::random::{Random, RandomCounters};
use dirql::driver::{Driver, Settings};
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql::{Code, Error, ErrorKind};
use dirql_virtio::model::Options;
use dirql_virtio::model::rng::{Feed, Source};
use dirql_virtio::rng::{DRIVER, VirtioRng};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing is waited for.
const NONE: Duration = Duration::ZERO;

fn start(options: Options) -> (VirtioRng, Feed) {
    let (device, feed) = Source::new(options).plug_in().unwrap();
    (VirtioRng::start(device, &Settings::default()).unwrap(), feed)
}

/// Each layout of the queue and each way of its interrupts.
fn everywhere(test: impl Fn(VirtioRng, Feed)) {
    let usual = || Options { vectors: 2, ..Options::default() };
    for options in [
        usual(),
        Options { packed: true, ..usual() },
        Options { event_idx: false, indirect_desc: false, ..usual() },
        Options { packed: true, event_idx: false, page_per_vq: true, ..usual() },
        Options { queue_sizes: (1, 1), ..usual() },
        Options { vectors: 1, ..usual() },
        Options { vectors_taken: 0, ..usual() },
        Options { vectors: 0, ..usual() },
    ] {
        let (rng, feed) = start(options);
        test(rng, feed);
    }
}

fn bytes(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|at| (at * at + at / 7) as u8).collect()
}

fn read(rng: &mut VirtioRng, len: usize, timeout: Duration) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; len];
    let filled = rng.fill(&mut bytes, timeout)?;
    bytes.truncate(filled);
    Ok(bytes)
}

#[test]
fn every_byte_arrives_once_and_in_order() {
    everywhere(|mut rng, feed| {
        let all = 100_000;
        let feeder = std::thread::spawn({
            let feed = feed.clone();
            move || {
                let mut at = 0;
                while at < all {
                    let len = (at * 37 % 9000 + 1).min(all - at);
                    feed.feed(&bytes(at, len));
                    at += len;
                    std::thread::yield_now();
                }
            }
        });
        let mut seen = Vec::new();
        while seen.len() < all {
            let len = (seen.len() * 53 % 7000 + 1).min(all - seen.len());
            let more = read(&mut rng, len, PATIENCE).unwrap();
            assert_eq!(more.len(), len);
            seen.extend(more);
        }
        feeder.join().unwrap();
        assert!(seen == bytes(0, all));
        assert_eq!((feed.left(), feed.bus().faults()), (0, vec![]));
    });
}

#[test]
fn what_was_read_is_counted() {
    let (mut rng, feed) = start(Options { vectors: 2, ..Options::default() });
    let counted = rng.meters().unwrap();
    feed.feed(&bytes(0, 700));
    for (reads, len) in (1..).zip([16, 600, 84]) {
        assert_eq!(read(&mut rng, len, PATIENCE).unwrap().len(), len);
        assert_eq!(counted.read().reads, reads);
    }
    assert!(read(&mut rng, 1, NONE).unwrap().is_empty());
    drop(rng);
    assert_eq!(counted.read(), RandomCounters { reads: 4, bytes: 700 });
}

#[test]
fn each_buffer_is_told_of_by_an_interrupt() {
    everywhere(|mut rng, feed| {
        for round in 0..20 {
            // Asked for before it is there, and after.
            if round % 2 == 0 {
                assert!(read(&mut rng, 16, NONE).unwrap().is_empty());
            }
            feed.feed(&bytes(round, 16));
            assert_eq!(read(&mut rng, 16, PATIENCE).unwrap(), bytes(round, 16));
            // The bytes may be seen before the handler runs; and a line that is still asserted tells of two at once.
            let least = if rng.vectors()[0].mode == Mode::Intx { 1 } else { round as u64 + 1 };
            let deadline = Instant::now() + PATIENCE;
            while rng.vectors()[0].count < least {
                assert!(Instant::now() < deadline, "{:?}", rng.vectors()[0]);
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn what_comes_too_late_is_for_the_next_call() {
    everywhere(|mut rng, feed| {
        assert!(read(&mut rng, 64, NONE).unwrap().is_empty());
        feed.feed(&bytes(0, 10));
        // 64 were asked for, and 10 came; now 4 of them are wanted.
        assert_eq!(read(&mut rng, 4, PATIENCE).unwrap(), bytes(0, 4));
        assert_eq!(read(&mut rng, 20, Duration::from_millis(1)).unwrap(), bytes(4, 6));
        feed.feed(&bytes(10, 30));
        assert_eq!(read(&mut rng, 20, PATIENCE).unwrap(), bytes(10, 20));
        assert!(read(&mut rng, 0, PATIENCE).unwrap().is_empty());
    });
}

#[test]
fn no_more_is_drawn_than_is_wanted() {
    everywhere(|mut rng, feed| {
        feed.feed(&bytes(0, 10_000));
        read(&mut rng, 5000, PATIENCE).unwrap();
        assert_eq!(feed.left(), 5000);
    });
}

#[test]
fn a_device_that_lies_of_what_it_wrote_is_told_of() {
    everywhere(|mut rng, feed| {
        assert!(read(&mut rng, 16, NONE).unwrap().is_empty());
        feed.lie(0);
        let error = read(&mut rng, 16, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains("0000:00:1f.0") && error.to_string().contains("empty"), "{error}");
        // One empty buffer is not the end of it.
        feed.feed(&bytes(0, 16));
        assert_eq!(read(&mut rng, 16, PATIENCE).unwrap(), bytes(0, 16));
        feed.feed(&bytes(0, 16));
        feed.lie(17);
        let error = read(&mut rng, 16, PATIENCE).unwrap_err();
        assert!(error.to_string().contains("17 bytes"), "{error}");
    });
}

#[test]
fn a_device_that_was_left_running_reaches_no_stale_memory_and_a_stopped_one_none() {
    let options = Options { vectors: 2, ..Options::default() };
    for stopped in [true, false] {
        let (device, feed) = Source::new(options.clone()).left_running().plug_in().unwrap();
        let mut rng = VirtioRng::start(device, &Settings::default()).unwrap();
        feed.feed(&bytes(0, 8));
        assert_eq!(read(&mut rng, 8, PATIENCE).unwrap(), bytes(0, 8));
        // The device has the buffer when it ends.
        assert!(read(&mut rng, 8, NONE).unwrap().is_empty());
        if stopped {
            Box::new(rng).stop().unwrap()
        } else {
            drop(rng)
        }
        feed.feed(&bytes(0, 8));
        let bus = feed.bus();
        assert_eq!((bus.bus_master(), bus.mappings(), bus.faults(), feed.left()), (false, 0, vec![], 8));
    }
}

#[test]
fn a_device_that_is_gone_is_told_to_who_waits() {
    let (mut rng, feed) = start(Options { vectors: 2, ..Options::default() });
    let (sender, told) = std::sync::mpsc::channel();
    let waiting =
        std::thread::spawn(move || sender.send(read(&mut rng, 8, Duration::from_secs(3600))).unwrap());
    feed.bus().pull();
    let error = told.recv_timeout(PATIENCE).expect("whoever waits is told").unwrap_err();
    waiting.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Device, "{error}");
}

#[test]
fn what_cannot_be_driven_is_refused() {
    let refused = |options, settings: &Settings| {
        let (device, feed) = Source::new(options).plug_in().unwrap();
        let error = VirtioRng::start(device, settings).unwrap_err();
        assert!(!feed.bus().bus_master());
        assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
        error.catalogue_code()
    };
    let (usual, msi) = (Settings::default(), Settings { interrupts: Some(Mode::Msi), ..Settings::default() });
    let no_platform = Options { access_platform: false, ..Options::default() };
    assert_eq!(refused(no_platform, &usual), Some(Code::E15));
    refused(Options { legacy: true, ..Options::default() }, &usual);
    refused(Options::default(), &msi);
    assert!(DRIVER.matches(0x1af4, 0x1044) && DRIVER.matches(0x1af4, 0x1005));
}

#[test]
fn a_selftest_reads_some() {
    let (mut rng, feed) = start(Options::default());
    feed.feed(&bytes(5, 64));
    assert_eq!(rng.selftest()[0].outcome, Outcome::Pass);
    feed.feed(&[0; 64]);
    assert_eq!(rng.selftest()[0].outcome, Outcome::Fail);
    assert!(rng.random().is_some() && rng.net().is_none());
}
