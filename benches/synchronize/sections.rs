//! Sections that nobody contends for, on one thread.

use std::hint::black_box;
use std::sync::Mutex;

use dirql::synchronize::{Protected, Rank, signals, synchronize_set};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use crate::contest::{Bar, Contest, Row};
use crate::setup::{counter, each, silent};

/// Calls a slice: 25 to 50 µs.
const CALLS: u32 = 2_000;
/// Where each makes system calls.
const FEWER: u32 = 200;
/// Sections that are entered at once.
const SECTIONS: usize = 32;

pub fn run(contest: &mut Contest) {
    let (mut interrupts, _bus) = silent(1);
    let vector = counter(&mut interrupts, 0);
    let mutex = Mutex::new(0_u64);
    let lock = || *black_box(&mutex).lock().expect("nobody panics") += 1;
    let section = || black_box(&vector).synchronize(|n| *n += 1).expect("connected");
    let masked = signals::mask_thread();
    contest.row(
        Row {
            id: "masked",
            what: "`synchronize`, masked thread",
            against: "`std::sync::Mutex`",
            bar: Bar::Ratio(1.3),
        },
        || each(CALLS, section),
        || each(CALLS, lock),
    );
    contest.row(
        Row {
            id: "reentrant",
            what: "`Reentrant` refusal",
            against: "`std::sync::Mutex`",
            bar: Bar::Time(5.0),
        },
        || {
            let refusals = || each(CALLS, || assert!(black_box(&vector).synchronize(|_| ()).is_err()));
            vector.synchronize(|_| refusals()).expect("connected")
        },
        || each(CALLS, lock),
    );
    set(contest);
    all(contest);
    drop(masked);
    let masked_lock = || {
        let (all, mut old) = (SigSet::all(), SigSet::empty());
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&all), Some(&mut old)).expect("valid");
        lock();
        old.thread_set_mask().expect("valid");
    };
    contest.row(
        Row {
            id: "unmasked",
            what: "`synchronize`, unmasked thread",
            against: "`pthread_sigmask` twice + mutex",
            bar: Bar::Ratio(1.1),
        },
        || each(FEWER, section),
        || each(FEWER, masked_lock),
    );
}

/// The sections of all vectors of a device at once, against one after the other.
fn all(contest: &mut Contest) {
    let (mut interrupts, _bus) = silent(SECTIONS as u16);
    let vectors: Vec<_> = (0..SECTIONS as u16).map(|index| counter(&mut interrupts, index)).collect();
    contest.row(
        Row {
            id: "all",
            what: "`synchronize_all`, 32 vectors",
            against: "32 times `synchronize`",
            bar: Bar::Ratio(1.2),
        },
        || each(FEWER, || black_box(&interrupts).synchronize_all(|_| ()).expect("connected")),
        || {
            each(FEWER, || {
                for vector in black_box(&vectors) {
                    vector.synchronize(|_| ()).expect("connected");
                }
            })
        },
    );
}

/// Many sections at once, against one after the other.
fn set(contest: &mut Contest) {
    let sections: Vec<_> = (0..SECTIONS).map(|_| Protected::new(Rank::next(), 0_u64)).collect();
    let members: Vec<_> = sections.iter().map(Protected::member).collect();
    contest.row(
        Row {
            id: "set",
            what: "`synchronize_set`, 32 sections",
            against: "32 times `synchronize`",
            bar: Bar::Ratio(1.2),
        },
        || each(FEWER, || synchronize_set(black_box(&members), |_| ()).expect("nobody is inside")),
        || {
            each(FEWER, || {
                for section in black_box(&sections) {
                    section.synchronize(|_| ()).expect("nobody is inside");
                }
            })
        },
    );
}
