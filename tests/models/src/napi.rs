//! NAPI's protocol: no frame is left lying, and nothing that a handler told is lost, however it meets the arming.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

use crate::class::napi::{Napi, Schedule, Source};
use crate::interrupt::Wait;
use crate::{Error, Result};

/// Longer than any model.
const LONG: Duration = Duration::from_secs(3600);

/// A device that puts frames into memory, and raises an interrupt where that is armed.
#[derive(Default)]
struct Device {
    frames: AtomicU32,
    armed: AtomicBool,
}

impl Device {
    /// A frame comes; where armed, so does the handler.
    fn receive(&self, schedule: &Schedule) {
        self.frames.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.armed.load(Ordering::Relaxed) {
            schedule.schedule();
        }
    }
}

/// The rings, as the poller sees them.
struct Rings {
    device: Arc<Device>,
    taken: u32,
}

impl Source for Rings {
    fn is_pending(&mut self) -> bool {
        self.device.frames.load(Ordering::Acquire) > self.taken
    }

    fn arm(&mut self) -> Result<()> {
        self.device.armed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn disarm(&mut self) -> Result<()> {
        self.device.armed.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// Two frames come, at any moments; who waits for each gets both. Interrupted at most three times.
#[test]
fn no_frame_is_left_lying() {
    crate::model(Some(3), || {
        let device = Arc::new(Device::default());
        let napi = Napi::new(Wait::Block);
        let (schedule, there) = (napi.schedule(), device.clone());
        let network = thread::spawn(move || (0..2).for_each(|_| there.receive(&schedule)));
        let mut rings = Rings { device, taken: 0 };
        while rings.taken < 2 {
            assert!(napi.wait(&mut rings, LONG).unwrap());
            rings.taken += u32::from(rings.is_pending());
        }
        network.join().unwrap();
    });
}

/// What is not in the rings, a changed link, is told too, and was written before.
#[test]
fn what_a_handler_tells_is_heard() {
    crate::model(None, || {
        let napi = Napi::new(Wait::Block);
        let link = Arc::new(UnsafeCell::new(0));
        let (schedule, written) = (napi.schedule(), link.clone());
        let handler = thread::spawn(move || {
            // SAFETY: loom checks that nobody reads meanwhile; that is what the model is about.
            written.with_mut(|link| unsafe { *link = 1 });
            schedule.schedule();
        });
        let mut rings = Rings { device: Arc::default(), taken: 0 };
        assert!(napi.wait(&mut rings, LONG).unwrap());
        // SAFETY: as above.
        assert_eq!(link.with(|link| unsafe { *link }), 1);
        handler.join().unwrap();
    });
}

/// A handler that gives up wakes whoever waits, and says why, also afterwards.
#[test]
fn a_failure_is_heard() {
    crate::model(None, || {
        let napi = Napi::new(Wait::Block);
        let schedule = napi.schedule();
        let handler = thread::spawn(move || {
            schedule.fail(Error::new(dirql::ErrorKind::Device, "a test"));
        });
        let mut rings = Rings { device: Arc::default(), taken: 0 };
        assert!(napi.wait(&mut rings, LONG).is_err());
        assert!(napi.check().is_err());
        handler.join().unwrap();
    });
}
