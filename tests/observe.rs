//! What is seen of a device's vectors: counters, overruns, and the timeline, on the model backend.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dirql::ErrorKind;
use dirql::interrupt::{Event, Handled, Mode, Overrun, SeenBy};
use dirql::synchronize::SyncError;
use serde_json::Value;
use support::{eventually, silent};

#[test]
fn r17_a_hold_beyond_the_budget_is_counted_and_told_with_its_place() {
    let (device, _bus) = silent(|_| {});
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = Arc::new(interrupts.connect(0, 0_u32, |_, _| Handled::Yes).unwrap());
    let told = Arc::<Mutex<Vec<Overrun>>>::default();
    let (into, inner) = (told.clone(), Arc::downgrade(&vector));
    interrupts.on_overrun(move |overrun| {
        // The vector was left: the hook may enter it.
        let vector = inner.upgrade().unwrap();
        vector.synchronize(|told| *told += 1).unwrap();
        into.lock().unwrap().push(overrun.clone());
    });
    let _watch = interrupts.observer().watch();
    vector.set_hold_budget(Duration::from_secs(3600));
    vector.synchronize(|_| std::thread::sleep(Duration::from_millis(1))).unwrap();
    assert_eq!(vector.statistics().synchronize.over_budget, 0);
    vector.set_hold_budget(Duration::from_micros(1));
    let line = line!() + 1;
    vector.synchronize(|_| std::thread::sleep(Duration::from_millis(1))).unwrap();
    let told = told.lock().unwrap()[0].clone();
    let site = told.call_site.clone().unwrap();
    assert!(site.file.ends_with("observe.rs") && site.line == line, "{site}");
    assert!(told.held_ns >= 1_000_000 && told.seen_by == SeenBy::Holder);
    vector.set_hold_budget(Duration::from_secs(3600));
    assert_eq!(vector.synchronize(|told| *told), Ok(1));
    let read = vector.statistics().synchronize;
    assert!(read.over_budget >= 1 && read.latest_over_budget.contains(&told), "{read:?}");
}

#[test]
fn r17_a_handler_that_runs_too_long_is_told_after_it() {
    let (device, bus) = silent(|_| {});
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let told = Arc::<Mutex<Vec<Overrun>>>::default();
    let into = told.clone();
    interrupts.on_overrun(move |overrun| into.lock().unwrap().push(overrun.clone()));
    let handler = |_: &mut (), _: Event<'_>| {
        std::thread::sleep(Duration::from_millis(1));
        Handled::Yes
    };
    let vector = interrupts.connect(0, (), handler).unwrap();
    bus.message(0);
    eventually("it is told", || !told.lock().unwrap().is_empty());
    let told = told.lock().unwrap()[0].clone();
    assert_eq!((told.vector, told.call_site, told.seen_by), (0, None, SeenBy::Holder));
    assert_eq!(vector.statistics().synchronize.over_budget, 1);
}

#[test]
fn every_way_into_a_vector_is_counted() {
    let (device, bus) = silent(|_| {});
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(1, 0_u64, |seen, event| {
        *seen += event.count;
        if *seen > 4 { Handled::No } else { Handled::Yes }
    });
    let vector = vector.unwrap();
    // Held while four come: at most one is taken alone, before the others.
    vector
        .synchronize(|_| {
            (0..4).for_each(|_| bus.message(1));
            assert_eq!(vector.synchronize(|_| ()), Err(SyncError::Reentrant));
            assert_eq!(vector.try_synchronize(|_| ()), Err(SyncError::Reentrant));
        })
        .unwrap();
    eventually("all arrive", || vector.synchronize(|seen| *seen) == Ok(4));
    bus.message(1);
    eventually("one more", || vector.statistics().spurious == 1);
    let read = vector.statistics();
    assert_eq!((read.index, read.count, read.coalesced + read.calls), (1, 5, 5));
    assert!(read.coalesced >= 2, "{read:?}");
    assert!(read.synchronize.reentries == 2 && read.handler_ns.max > 0, "{read:?}");
    assert_eq!(interrupts.observer().statistics()[0].count, 5);
    assert_eq!(vector.observer().address(), device.address());
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| vector.synchronize(|_| panic!("in it"))));
    assert!(panicked.is_err());
    assert_eq!(vector.statistics().poisonings, 1);
    let observer = vector.observer();
    drop((vector, interrupts, device));
    assert!(observer.statistics().is_empty());
}

#[test]
fn a_trace_is_a_timeline_that_a_viewer_can_open() {
    let (device, bus) = silent(|_| {});
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let connect = |index, interrupts: &mut dirql::interrupt::Interrupts| {
        let vector = interrupts.connect(index, 0_u64, |seen, event| {
            *seen += event.count;
            Handled::Yes
        });
        Arc::new(vector.unwrap())
    };
    let (zero, one) = (connect(0, &mut interrupts), connect(1, &mut interrupts));
    let before = zero.synchronize(|_| line!()).unwrap();
    let trace = interrupts.trace(100_000).unwrap();
    assert_eq!(interrupts.trace(10).unwrap_err().kind(), ErrorKind::Busy);
    let threads: Vec<_> = (0..2)
        .map(|number| {
            let (zero, one, bus) = (zero.clone(), one.clone(), bus.clone());
            let work = move || {
                for _ in 0..200 {
                    bus.message(0);
                    bus.message(1);
                    zero.synchronize(|_| one.synchronize(|seen| *seen).unwrap()).unwrap();
                    one.synchronize(|_| ()).unwrap();
                }
            };
            std::thread::Builder::new().name(format!("worker {number}")).spawn(work).unwrap()
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    eventually("all arrive", || {
        [&zero, &one].iter().all(|vector| vector.synchronize(|seen| *seen) == Ok(400))
    });
    let timeline = trace.finish();
    let after = zero.synchronize(|_| line!()).unwrap();
    assert_eq!(timeline.dropped(), 0);
    let mut file = Vec::new();
    timeline.write_chrome_json(&mut file).unwrap();
    let document: Value = serde_json::from_slice(&file).unwrap();
    let events = document["traceEvents"].as_array().unwrap();
    let of = |phase: &'static str| events.iter().filter(move |event| event["ph"] == phase);
    assert_eq!(of("X").count(), timeline.len());
    assert_eq!(of("X").count() + of("M").count(), events.len());

    let names: BTreeMap<_, _> = of("M")
        .filter(|event| event["name"] == "thread_name")
        .map(|event| (event["tid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap().to_owned()))
        .collect();
    let threads: BTreeSet<_> = of("X").map(|event| event["tid"].as_u64().unwrap()).collect();
    assert_eq!(threads, names.keys().copied().collect());
    for name in ["worker 0", "worker 1", "dirql/00:1f.0/0", "dirql/00:1f.0/1"] {
        assert!(names.values().any(|known| known == name), "{name}: {names:?}");
    }
    assert!(of("M").any(|event| event["name"] == "process_name"));

    let count = |category: &str| of("X").filter(|event| event["cat"] == category).count();
    // Two threads, 200 rounds, three sections each; and those that looked whether all had arrived.
    assert!(count("section") >= 1200 && count("handler") >= 2, "{} {}", count("section"), count("handler"));
    let interrupts: u64 = of("X").filter_map(|event| event["args"]["count"].as_u64()).sum();
    assert_eq!(interrupts, 800);
    for event in of("X").filter(|event| event["cat"] == "section") {
        let site = event["args"]["call_site"].as_str().unwrap();
        assert!(site.contains("tests/observe.rs:"), "{site}");
        assert!(
            ![before, after].iter().any(|line| site.contains(&format!(":{line}:"))),
            "not in the trace: {site}"
        );
    }
    for thread in threads {
        let slices = of("X").filter(|event| event["tid"].as_u64() == Some(thread));
        let nanoseconds = |value: &Value| (value.as_f64().unwrap() * 1e3).round() as u64;
        let mut open: Vec<u64> = Vec::new();
        for slice in slices {
            let (began, took) = (nanoseconds(&slice["ts"]), nanoseconds(&slice["dur"]));
            while open.last().is_some_and(|&end| end <= began) {
                open.pop();
            }
            let end = began + took;
            assert!(open.last().is_none_or(|&outer| end <= outer), "{slice} ends after what it is in");
            open.push(end);
        }
    }
}

#[test]
fn a_full_trace_counts_what_it_drops() {
    let (device, _bus) = silent(|_| {});
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let vector = interrupts.connect(0, (), |(), _| Handled::Yes).unwrap();
    let trace = interrupts.trace(10).unwrap();
    (0..25).for_each(|_| vector.synchronize(|()| ()).unwrap());
    let timeline = trace.finish();
    assert_eq!((timeline.len(), timeline.dropped(), timeline.threads().len()), (10, 15, 1));
    // Dropped or finished, it is over.
    drop(interrupts.trace(10).unwrap());
    assert!(interrupts.trace(10).unwrap().finish().is_empty());
    let timed = vector.statistics().synchronize.timed;
    (0..100).for_each(|_| vector.synchronize(|()| ()).unwrap());
    assert!(vector.statistics().synchronize.timed <= timed + 1);
}
