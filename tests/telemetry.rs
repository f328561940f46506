//! A program's vectors asked for from outside, on the model backend. Each test has a device address of its own, because
//! the sockets are named after it.

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dirql::interrupt::{Handled, Interrupts, Mode, Vector};
use dirql::telemetry::{Source, publish};
use dirql::{Address, Device, ErrorKind};
use serde_json::Value;
use support::{PATIENCE, eventually, returns, silent};

fn device(at: &str) -> (Device, Interrupts, Vector<u64>, Address) {
    // Nobody else on this machine has a device there.
    let address: Address = format!("{:04x}:{at}", std::process::id() & 0xffff).parse().unwrap();
    let (device, _bus) = silent(|config| config.address = address);
    let mut interrupts = device.interrupts(Mode::Msi).unwrap();
    let handler = |seen: &mut u64, event: dirql::interrupt::Event| {
        *seen += event.count;
        Handled::Yes
    };
    let vector = interrupts.connect(0, 0, handler).unwrap();
    (device, interrupts, vector, address)
}

#[test]
fn a_program_tells_what_it_counts() {
    let (_device, interrupts, vector, address) = device("01:00.0");
    assert!(Source::find(address).unwrap().is_none());
    let publisher = publish(interrupts.observer()).unwrap();
    assert_eq!(publish(interrupts.observer()).unwrap_err().kind(), ErrorKind::Busy);
    let source = Source::find(address).unwrap().unwrap();
    let first = source.report().unwrap();
    assert_eq!((first.address, first.pid, first.vectors.len()), (address, std::process::id(), 1));
    for _ in 0..3 {
        interrupts.fire(0).unwrap();
    }
    eventually("all arrive", || vector.statistics().calls > 0 && vector.synchronize(|seen| *seen) == Ok(3));
    let second = source.report().unwrap();
    assert_eq!((second.vectors[0].count, second.vectors[0].mode), (3, Mode::Msi));
    // While somebody looks, every section is timed.
    let timed = vector.statistics().synchronize.timed;
    (0..10).for_each(|_| vector.synchronize(|_| ()).unwrap());
    assert_eq!(vector.statistics().synchronize.timed, timed + 10);
    drop(publisher);
    assert!(Source::find(address).unwrap().is_none());
    assert_eq!(source.report().unwrap_err().kind(), ErrorKind::NotFound);
    let _again = publish(interrupts.observer()).unwrap();
    assert!(source.report().is_ok());
}

#[test]
fn a_trace_goes_on_beside_questions_and_ends_when_wanted() {
    let (_device, interrupts, vector, address) = device("02:00.0");
    let publisher = publish(interrupts.observer()).unwrap();
    let source = Source::find(address).unwrap().unwrap();
    let (asking, started) = (source.clone(), Instant::now());
    let trace = std::thread::spawn(move || {
        // An hour, were it not for the end.
        asking.trace(Duration::from_secs(3600), || started.elapsed() > Duration::from_millis(300))
    });
    eventually("the trace runs", || interrupts.observer().is_tracing());
    vector.synchronize(|_| ()).unwrap();
    assert!(source.report().is_ok());
    let refused = source.trace(Duration::from_secs(1), || false).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy);
    let document: Value = serde_json::from_slice(&trace.join().unwrap().unwrap()).unwrap();
    let sections =
        document["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "section");
    assert_eq!(sections.count(), 1);
    // By itself, after its time.
    assert!(source.trace(Duration::from_millis(10), || false).is_ok());
    // And with the program.
    let trace = std::thread::spawn(move || source.trace(Duration::from_secs(3600), || false));
    eventually("the trace runs", || interrupts.observer().is_tracing());
    returns("the end of telemetry", move || drop(publisher));
    assert!(trace.join().unwrap().is_ok());
}

#[test]
fn a_peer_that_goes_ends_its_trace() {
    let (_device, interrupts, _vector, address) = device("03:00.0");
    let _publisher = publish(interrupts.observer()).unwrap();
    let mut peer = connect(address);
    peer.write_all(b"trace 3600\n").unwrap();
    eventually("the trace runs", || interrupts.observer().is_tracing());
    drop(peer);
    eventually("the trace is over", || !interrupts.observer().is_tracing());
}

#[test]
fn nonsense_is_refused_and_silence_not_waited_for() {
    let (_device, interrupts, _vector, address) = device("04:00.0");
    let publisher = publish(interrupts.observer()).unwrap();
    let mut silent = connect(address);
    silent.write_all(b"stat").unwrap();
    for request in ["bogus\n", "trace\n", "trace -1\n", "trace nan\n", "trace 1 2\n"] {
        let mut peer = connect(address);
        peer.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        let document: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(document["error"]["exit_code"], 2, "{request:?}: {answer}");
    }
    let mut endless = connect(address);
    let _ = endless.write_all(&[b'x'; 4096]);
    assert!(Source::find(address).unwrap().unwrap().report().is_ok());
    returns("the end of telemetry", move || drop(publisher));
}

fn connect(address: Address) -> UnixStream {
    let peer = UnixStream::connect(socket(address)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

/// Where the program listens: read off the kernel's list, whatever the library thinks.
fn socket(address: Address) -> PathBuf {
    let listed = std::fs::read_to_string("/proc/net/unix").unwrap();
    let name = format!("/{address}.sock");
    let found = listed.lines().filter_map(|line| line.split_whitespace().last());
    found.filter(|path| path.ends_with(&name)).map(PathBuf::from).next().expect("nobody listens")
}
