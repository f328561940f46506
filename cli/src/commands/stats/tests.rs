use dirql::Device;
use dirql::class::display::{DisplayCounters, DisplayReport, FenceCounters};
use dirql::class::net::{Link, NetReport, QueueCounters, Statistics};
use dirql::class::random::RandomCounters;
use dirql::driver::Settings;
use dirql_edu::model::EduModel;

use super::super::watched::nowhere;
use super::*;
use crate::device::Running;

/// A device of the model, driven by this process, and the counters that it publishes.
fn running(number: u8) -> (Running, Address) {
    let address = nowhere(number);
    let device = Device::from_backend(EduModel::backend_with(|config| config.address = address)).unwrap();
    (Running::probe(device, &dirql_edu::DRIVER, &Settings::default()).unwrap(), address)
}

#[test]
fn a_running_program_is_asked_and_told_apart_from_none() {
    let (mut running, address) = running(3);
    running.driver().selftest();
    let found = reports(&[address]).unwrap();
    let [report] = &found[..] else { panic!("{found:?}") };
    assert_eq!((report.driver.as_deref(), report.pid), (Some("edu"), std::process::id()));
    assert!(report.vectors[0].count > 0 && report.times[0].handler.count > 0, "{report:?}");
    // Its buffer was given back, to where it came from.
    let dma = report.dma.unwrap();
    assert!((dma.mappings, dma.used_bytes) == (1, 0) && dma.mapped_bytes > 0, "{dma:?}");
    assert!(reports(&[]).unwrap().iter().any(|of| of.address == address));
    // To look costs the program nothing: no section was timed for it.
    let timed = report.vectors[0].synchronize.timed;
    assert_eq!(reports(&[address]).unwrap()[0].vectors[0].synchronize.timed, timed);
    running.stop().unwrap();
    let error = missing(&[address], &reports(&[address]).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&format!("fix: dirql run {address}")), "{error}");
}

/// A network device's, a display's and an entropy device's at once, which is none of this world.
fn report() -> Report {
    let queue = QueueCounters { receive_frames: 41, ..QueueCounters::default() };
    Report {
        address: "0000:00:03.0".parse().unwrap(),
        pid: 4711,
        uid: u32::MAX - 1,
        program: "dirql".into(),
        driver: Some("e1000".into()),
        uptime_seconds: 3723.0,
        vectors: Vec::new(),
        times: Vec::new(),
        dma: None,
        net: Some(NetReport {
            link: Some(Link { up: true, speed: 1000, full_duplex: true, changes: 1 }),
            statistics: Some(Statistics { receive_frames: u64::MAX, ..Statistics::default() }),
            queues: vec![QueueCounters::default(), queue],
        }),
        display: Some(DisplayReport {
            shown: DisplayCounters { flips: 9, ..DisplayCounters::default() },
            fences: FenceCounters { given: 10, passed: 10 },
        }),
        random: Some(RandomCounters { reads: 1, bytes: 512 }),
    }
}

#[test]
fn counters_are_told_with_rates_since_the_last_look() {
    let (before, mut now) = (report(), report());
    now.uptime_seconds += 0.5;
    now.net.as_mut().unwrap().queues[1].receive_frames += 50;
    let text = rows::text(
        std::slice::from_ref(&now),
        Some((std::slice::from_ref(&before), Duration::from_millis(500))),
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let head = "0000:00:03.0  e1000\n  program: dirql, process 4711, user 4294967294, for 1 h 2 min\n";
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("\n  link: up, 1000 Mbit/s, full duplex\n"), "{text}");
    let row = |name: &str| {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line[name.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("queue 1 receive frames"), ["91", "100"]);
    assert_eq!(row("queue 0 receive frames"), ["0", "0"]);
    assert_eq!(row("flips"), ["9", "0"]);
    assert_eq!(row("entropy bytes"), ["512", "0"]);
    // A program that was started anew begins anew.
    let fresh = Report { pid: 4712, ..now.clone() };
    assert_eq!(rows::rate(&fresh, "flips", 9, std::slice::from_ref(&before), Duration::from_secs(1)), 9.0);
    let document = document(&[before], &[now], Duration::from_millis(500));
    assert_eq!(document["devices"][0]["rates"]["queue 1 receive frames"], 100.0);
    assert_eq!(document["devices"][0]["net"]["queues"][1]["receive_frames"], 91);
    assert_eq!(document["seconds"], 0.5);
}
