//! Rests. What the protocol promises of sleeping is model-checked, in `tests/models`.

use std::thread;
use std::time::Duration;

use super::napi::{Napi, Source};
use crate::Result;
use crate::interrupt::Wait;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Rings into which a frame comes while the poller rests, or not.
#[derive(Default)]
struct Rings {
    rest: Duration,
    rests: u32,
    arms: u32,
    disarms: u32,
    /// At which look there is a frame.
    at: Option<u32>,
    looks: u32,
}

impl Source for Rings {
    fn is_pending(&mut self) -> bool {
        self.looks += 1;
        self.at.is_some_and(|at| self.looks >= at)
    }

    fn rest(&mut self) -> Duration {
        self.rests += 1;
        self.rest
    }

    fn arm(&mut self) -> Result<()> {
        self.arms += 1;
        Ok(())
    }

    fn disarm(&mut self) -> Result<()> {
        self.disarms += 1;
        Ok(())
    }
}

#[test]
fn what_comes_during_a_rest_needs_no_interrupt() {
    let mut rings = Rings { rest: Duration::from_millis(1), at: Some(2), ..Rings::default() };
    assert!(Napi::new(Wait::Block).wait(&mut rings, LONG).unwrap());
    assert_eq!((rings.rests, rings.arms, rings.disarms), (1, 0, 0));
}

#[test]
fn a_rest_in_vain_ends_in_sleep_and_counts_towards_the_timeout() {
    let mut rings = Rings { rest: LONG, ..Rings::default() };
    assert!(!Napi::new(Wait::Block).wait(&mut rings, Duration::from_millis(20)).unwrap());
    assert_eq!((rings.rests, rings.arms, rings.disarms), (1, 1, 1));
    // Who comes right after the arming is seen without an interrupt.
    let mut rings = Rings { rest: Duration::from_millis(1), at: Some(3), ..Rings::default() };
    assert!(Napi::new(Wait::Block).wait(&mut rings, LONG).unwrap());
    assert_eq!((rings.arms, rings.disarms), (1, 1));
}

#[test]
fn who_is_scheduled_rests_no_longer() {
    let napi = Napi::new(Wait::Block);
    let schedule = napi.schedule();
    let scheduler = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        schedule.schedule();
    });
    let mut rings = Rings { rest: LONG, ..Rings::default() };
    assert!(napi.wait(&mut rings, LONG).unwrap());
    assert_eq!(rings.arms, 0);
    scheduler.join().unwrap();
    // The wake-up was for that rest, and not for the next.
    assert!(!napi.wait(&mut Rings::default(), Duration::from_millis(1)).unwrap());
}

#[test]
fn where_nothing_is_worth_a_rest_there_is_none() {
    let mut rings = Rings { at: Some(2), ..Rings::default() };
    assert!(Napi::new(Wait::Block).wait(&mut rings, LONG).unwrap());
    assert_eq!((rings.rests, rings.arms), (1, 1));
}
