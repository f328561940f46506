//! What the counters count.

use super::*;

fn counters() -> Counters {
    let address = "00:1f.0".parse().unwrap();
    Counters::new(Observation::new(address).track(3))
}

/// Runs a section of no length after `waited` nanoseconds.
#[track_caller]
fn section(counters: &Counters, waited: u64) {
    counters.tell(counters.left(counters.entered(waited, Location::caller())));
}

/// Told of each overrun.
fn told(counters: &Counters) -> Arc<Mutex<Vec<Overrun>>> {
    let told = Arc::<Mutex<Vec<_>>>::default();
    let into = told.clone();
    counters.track.observation.overruns.set(move |overrun| unpoisoned(&into).push(overrun.clone()));
    told
}

#[test]
fn uncontended_sections_count_as_waits_of_zero() {
    let counters = counters();
    (0..98).for_each(|_| section(&counters, 0));
    (0..2).for_each(|_| section(&counters, 100));
    let read = counters.read(3, Mode::Msi);
    assert_eq!((read.index, read.synchronize.calls), (3, 100));
    assert_eq!(read.synchronize.wait_ns, Percentiles { p50: 0, p99: 100, p999: 100, max: 100 });
    assert_eq!(read.handler_ns, Percentiles::default());
}

#[test]
fn one_section_in_1024_is_timed_and_each_while_somebody_watches() {
    let counters = counters();
    (0..10_240).for_each(|_| section(&counters, 0));
    assert_eq!(counters.read(3, Mode::Msi).synchronize.timed, 10);
    let watches = [counters.tracer(), counters.tracer()];
    let watches = watches.map(|_| counters.track.observation.tracer.watch());
    for watch in watches {
        let before = counters.read(3, Mode::Msi).synchronize.timed;
        (0..10).for_each(|_| section(&counters, 0));
        assert_eq!(counters.read(3, Mode::Msi).synchronize.timed, before + 10);
        drop(watch);
    }
    (0..2048).for_each(|_| section(&counters, 0));
    assert_eq!(counters.read(3, Mode::Msi).synchronize.timed, 32);
}

#[test]
fn everything_is_counted() {
    let counters = counters();
    let began = Instant::now();
    counters.arrived(10);
    counters.sent_back(3);
    counters.handler_entered(700);
    drop(counters.handled(began, Duration::from_nanos(50), 5, false));
    counters.handler_entered(0);
    drop(counters.handled(began, Duration::from_nanos(60), 2, true));
    counters.reentered();
    counters.poisoned();
    counters.storm();
    counters.deferred(began, Duration::from_nanos(64));
    let read = counters.read(3, Mode::Msix);
    assert_eq!((read.count, read.calls, read.coalesced, read.spurious), (7, 2, 5, 1));
    assert_eq!((read.synchronize.reentries, read.poisonings, read.storms), (1, 1, 1));
    assert_eq!((read.handler_ns.p50, read.handler_ns.max), (50, 60));
    assert_eq!((read.handler_wait_ns.p50, read.handler_wait_ns.max), (0, 700));
    assert_eq!((read.deferred.calls, read.deferred.run_ns.max), (1, 64));
    let json = serde_json::to_value(&read).unwrap();
    assert_eq!(json["synchronize"]["budget_ns"], 25_000);
    assert_eq!(serde_json::from_value::<VectorStatistics>(json).unwrap(), read);
}

const MINUTE: u64 = 60_000_000_000;

/// As if they had counted for an hour, with a budget of half a minute, which nothing here holds for.
fn patient() -> Counters {
    let mut counters = counters();
    counters.epoch = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap();
    counters.set_budget(Duration::from_secs(30));
    counters
}

#[test]
fn who_holds_for_too_long_is_told_once_with_the_place() {
    let counters = patient();
    let told = told(&counters);
    let _watch = counters.track.observation.tracer.watch();
    section(&counters, 0);
    counters.set_budget(Duration::from_nanos(1));
    let line = line!() + 1;
    let timing = counters.entered(0, Location::caller());
    std::thread::sleep(Duration::from_millis(2));
    let late = counters.left(timing);
    counters.set_budget(Duration::from_secs(30));
    assert!(unpoisoned(&told).is_empty(), "the vector is held still");
    counters.tell(late);
    // Whoever waited for it does not say it again.
    section(&counters, MINUTE);
    let told = unpoisoned(&told).clone();
    assert_eq!(told.len(), 1, "{told:?}");
    let site = told[0].call_site.clone().unwrap();
    assert_eq!((&*site.file, site.line, told[0].seen_by), (file!(), line, SeenBy::Holder));
    assert!(told[0].held_ns >= 2_000_000);
    let read = counters.read(3, Mode::Msi);
    assert_eq!((read.synchronize.over_budget, read.synchronize.latest_over_budget), (1, told));
}

#[test]
fn a_waiter_finds_who_was_not_timed() {
    let counters = patient();
    let told = told(&counters);
    let line = line!() + 1;
    section(&counters, 0);
    let timing = counters.entered(MINUTE, Location::caller());
    assert!(unpoisoned(&told).is_empty(), "the vector is held still");
    counters.tell(counters.left(timing));
    let told = unpoisoned(&told).clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].seen_by, told[0].held_ns), (SeenBy::Waiter, MINUTE));
    assert_eq!(told[0].call_site.clone().unwrap().line, line);
}

#[test]
fn who_was_kept_waiting_is_not_blamed() {
    let counters = patient();
    section(&counters, 0);
    // Two waited for it: the second was given the vector right after the first, which held it for no time.
    section(&counters, MINUTE);
    section(&counters, MINUTE);
    assert_eq!(counters.read(3, Mode::Msi).synchronize.over_budget, 1);
    // Nor is a section that ended before a handler, which speaks for itself.
    let counters = patient();
    section(&counters, 0);
    counters.handler_entered(0);
    section(&counters, MINUTE);
    assert_eq!(counters.read(3, Mode::Msi).synchronize.over_budget, 0);
}

#[test]
fn the_latest_overruns_are_kept() {
    let counters = counters();
    counters.set_budget(Duration::from_nanos(10));
    for took in 11..31 {
        drop(counters.handled(Instant::now(), Duration::from_nanos(took), 1, false));
    }
    let read = counters.read(3, Mode::Msi).synchronize;
    assert_eq!((read.over_budget, read.latest_over_budget.len()), (20, KEPT));
    assert_eq!(read.latest_over_budget.last().map(|last| last.held_ns), Some(30));
    assert_eq!(read.latest_over_budget[0].call_site, None);
}

#[test]
fn a_hook_that_panics_or_is_late_itself_is_survived() {
    let counters = Arc::new(counters());
    counters.set_budget(Duration::from_nanos(1));
    let (inner, calls) = (Arc::downgrade(&counters), Arc::new(AtomicU64::new(0)));
    let counted = calls.clone();
    counters.track.observation.overruns.set(move |_| {
        counted.fetch_add(1, Relaxed);
        let inner = inner.upgrade().unwrap();
        inner.tell(inner.handled(Instant::now(), Duration::from_secs(1), 1, false));
        panic!("in the hook");
    });
    for _ in 0..2 {
        counters.tell(counters.handled(Instant::now(), Duration::from_secs(1), 1, false));
    }
    assert_eq!((calls.load(Relaxed), counters.read(3, Mode::Msi).synchronize.over_budget), (2, 4));
}
