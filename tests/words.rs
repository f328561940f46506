//! Many words into a BAR, mapped and by calls.

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use dirql::backend::Window;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::region::Bar;
use dirql::{Device, ErrorKind};
use nix::errno::Errno;
use support::spy::Spy;

const PAGE: usize = 4096;
const LEN: usize = 4 * PAGE;

/// A BAR with memory behind it, and nothing else.
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Model for Memory {
    fn read(&mut self, _bus: &Bus, _bar: u8, _offset: u64, _data: &mut [u8]) {}

    fn write(&mut self, _bus: &Bus, _bar: u8, offset: u64, data: &[u8]) {
        self.0.lock().unwrap()[offset as usize..][..data.len()].copy_from_slice(data);
    }
}

/// A BAR of which so much is mapped from a file; the rest is reached by calls.
struct Place {
    bar: Bar,
    file: File,
    window: usize,
    by_calls: Arc<Mutex<Vec<u8>>>,
    bus: Bus,
}

impl Place {
    fn new(window: usize) -> Self {
        let by_calls = Arc::new(Mutex::new(vec![0; LEN]));
        let mut config = ModelConfig::new(0x1af4, 0x1110);
        config.bars[0] = LEN as u64;
        let model = ModelBackend::new(config, Memory(by_calls.clone()));
        let (bus, file) = (model.bus(), tempfile::tempfile().unwrap());
        file.set_len((LEN - window) as u64).unwrap();
        let mut spy = Spy::on(model);
        if window < LEN {
            let len = LEN - window;
            spy.mappable = Some((Window { offset: window as u64, len: len as u64 }, len));
            spy.file = Some(file.try_clone().unwrap());
        }
        let bar = Device::from_backend(spy).unwrap().bar(0).unwrap();
        Self { bar, file, window, by_calls, bus }
    }

    /// All of it: by calls, a part of it, nothing.
    fn each() -> [Self; 3] {
        [0, PAGE, LEN].map(Self::new)
    }

    /// What the device's memory holds.
    fn memory(&self) -> Vec<u8> {
        let mut memory = self.by_calls.lock().unwrap().clone();
        let mut mapped = vec![0; LEN - self.window];
        self.file.read_exact_at(&mut mapped, 0).unwrap();
        // One of both holds a word: what a chunk that is mapped in part brought came by a call.
        memory[self.window..].iter_mut().zip(mapped).for_each(|(byte, mapped)| *byte |= mapped);
        memory
    }
}

fn words(count: usize) -> Vec<u32> {
    (0..count as u32).map(|index| 0x0102_0304_u32.wrapping_mul(index + 1) | 1).collect()
}

#[test]
fn words_arrive_where_they_belong_and_nowhere_else() {
    for place in Place::each() {
        // Over the window's edge, more than two pages, and the last word.
        for (offset, count) in [(PAGE - 8, 2 * PAGE / 4 + 5), (LEN - 4, 1), (0, 0), (LEN, 0)] {
            place.bar.write_words(offset as u64, &words(count)).unwrap();
            let mut wanted = vec![0; LEN];
            let bytes: Vec<u8> = words(count).into_iter().flat_map(u32::to_le_bytes).collect();
            wanted[offset..offset + bytes.len()].copy_from_slice(&bytes);
            let memory = place.memory();
            assert!(memory == wanted, "{count} words at {offset:#x}, mapped from {:#x}", place.window);
            place.by_calls.lock().unwrap().fill(0);
            place.file.write_all_at(&vec![0; LEN - place.window], 0).unwrap();
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_any_word_is_written() {
    for place in Place::each() {
        for (offset, count) in [
            (2, 1),
            (LEN as u64 - 4, 2),
            (LEN as u64, 1),
            (LEN as u64 + 4, 0),
            (0, LEN / 4 + 1),
            (u64::MAX - 3, 1),
        ] {
            let error = place.bar.write_words(offset, &words(count)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.to_string().contains("BAR 0"), "{error}");
        }
        assert_eq!(place.memory(), vec![0; LEN]);
    }
}

#[test]
fn r2_a_device_that_vanishes_meanwhile_is_told_of() {
    let place = Place::new(0);
    // The third page faults.
    place.file.set_len(2 * PAGE as u64).unwrap();
    let all = words(LEN / 4);
    let before: Vec<u8> = all[..PAGE / 2].iter().flat_map(|word| word.to_le_bytes()).collect();
    // The second time nothing is tried.
    for wanted in [before, vec![0; 2 * PAGE]] {
        place.file.write_all_at(&[0; 2 * PAGE], 0).unwrap();
        let error = place.bar.write_words(0, &all).unwrap_err();
        assert_eq!((error.kind(), error.raw_errno()), (ErrorKind::Device, Some(Errno::ENODEV)), "{error}");
        let mut written = vec![0; 2 * PAGE];
        place.file.read_exact_at(&mut written, 0).unwrap();
        assert!(written == wanted);
    }
}

#[test]
fn a_device_that_was_pulled_takes_words_as_it_takes_one() {
    let place = Place::new(LEN);
    place.bus.pull();
    place.bar.write_words(0, &words(3)).unwrap();
    assert_eq!(place.memory(), vec![0; LEN]);
}
