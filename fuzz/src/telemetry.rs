//! Both sides of the telemetry socket: any request gets one JSON document, any answer is a report or an error.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::interrupt::{Handled, Interrupts, Mode, Vector};
use dirql::telemetry::{Publisher, Report, Source, directory, publish};
use dirql::{Address, Device};

struct Silent;

impl Model for Silent {
    fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
    fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
}

/// Dropped in this order.
type Running = (Publisher, Vector<()>, Interrupts, Device);

/// A program that publishes a device, and one that answers whatever it is told to.
struct Programs {
    asked: Address,
    answering: Address,
    answer: Arc<Mutex<Vec<u8>>>,
    running: Mutex<Option<Running>>,
}

static PROGRAMS: OnceLock<Programs> = OnceLock::new();

/// Removes the sockets, once no more bytes come.
pub fn end() {
    let Some(programs) = PROGRAMS.get() else { return };
    drop(programs.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    fs::remove_file(socket(programs.answering)).expect("it is there");
}

fn programs() -> &'static Programs {
    PROGRAMS.get_or_init(|| {
        // Nobody else on this machine has devices there.
        let at = |rest: &str| {
            format!("{:x}:{rest}", std::process::id()).parse::<Address>().expect("it is an address")
        };
        let (asked, answering) = (at("01:00.0"), at("02:00.0"));
        let config = ModelConfig { address: asked, msi: 1, ..ModelConfig::new(0x1af4, 1) };
        let device = Device::from_backend(ModelBackend::new(config, Silent)).expect("a model opens");
        let mut interrupts = device.interrupts(Mode::Msi).expect("it has a message");
        let vector = interrupts.connect(0, (), |(), _| Handled::Yes).expect("it is connected");
        let publisher = publish(interrupts.observer()).expect("it is published");
        let answer = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(socket(answering)).expect("the name is free");
        std::thread::spawn({
            let answer = answer.clone();
            move || listener.incoming().flatten().for_each(|peer| reply(peer, &answer))
        });
        Programs {
            asked,
            answering,
            answer,
            running: Mutex::new(Some((publisher, vector, interrupts, device))),
        }
    })
}

fn socket(address: Address) -> PathBuf {
    directory().expect("a directory of our own").join(format!("{address}.sock"))
}

/// Answers a peer that asks. One that only looks whether there is somebody has gone already.
fn reply(mut peer: UnixStream, answer: &Mutex<Vec<u8>>) {
    let mut request = [0; 64];
    if peer.read(&mut request).is_ok_and(|count| count > 0) {
        // A peer that goes before it has all knows why.
        let _ = peer.write_all(&answer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

pub fn run(bytes: &[u8]) {
    if let Ok(report) = serde_json::from_slice::<Report>(bytes) {
        let text = serde_json::to_vec(&report).expect("a report is written");
        assert_eq!(serde_json::from_slice::<Report>(&text).ok(), Some(report));
    }
    let programs = programs();
    ask(programs.asked, bytes);
    *programs.answer.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
    let source = Source::find(programs.answering).expect("it is ours").expect("it is there");
    match source.report() {
        Ok(report) => {
            // Whose it is, and of which device, the kernel says; and nothing of it steers a terminal.
            assert_eq!((report.address, report.uid), (programs.answering, nix::unistd::geteuid().as_raw()));
            assert!(!report.program.contains(char::is_control));
        }
        Err(error) => {
            assert!(error.to_string().contains("telemetry") || bytes.starts_with(b"{\"error\""), "{error}")
        }
    }
}

/// Whatever is asked, the answer is a document, or nothing where nothing was asked.
fn ask(address: Address, request: &[u8]) {
    let mut peer = UnixStream::connect(socket(address)).expect("it is there");
    peer.set_read_timeout(Some(Duration::from_secs(20))).expect("a time that can be");
    // It reads no more than it must, and may be gone by then.
    let _ = peer.write_all(request);
    let _ = peer.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match peer.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    assert!(
        answer.is_empty() || serde_json::from_slice::<serde_json::Value>(&answer).is_ok(),
        "{:?} to {:?}",
        String::from_utf8_lossy(&answer),
        String::from_utf8_lossy(request)
    );
}
