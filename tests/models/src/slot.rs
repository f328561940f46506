//! The slot of a deferred call: each true is one run, which sees what was written before, and no wake-up is lost.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::sync::Arc;

use crate::interrupt::park;
use crate::interrupt::slot::Slot;

/// A vector's deferred calls, and what they are about.
struct Deferred {
    slot: Slot,
    /// Plain data, whose races loom tells.
    plain: UnsafeCell<u32>,
    /// What may be written while a call runs.
    shared: AtomicU32,
}

impl Deferred {
    /// With the thread that runs `call`, and tells how often it did.
    fn served_by(call: impl Fn(&Self) + 'static) -> (Arc<Self>, thread::JoinHandle<u32>) {
        let deferred =
            Arc::new(Self { slot: Slot::new(true), plain: UnsafeCell::new(0), shared: AtomicU32::new(0) });
        let (thread, served) = (park::Thread::default(), deferred.clone());
        let own = thread.clone();
        let worker = thread::spawn(move || {
            park::be(own);
            let mut runs = 0;
            served.slot.serve(|| {
                call(&served);
                runs += 1;
            });
            runs
        });
        // As in the library: after the start of the thread, before anybody can queue.
        deferred.slot.serve_by(thread);
        (deferred, worker)
    }
}

fn spawn<R: 'static>(
    deferred: &Arc<Deferred>,
    body: impl FnOnce(&Deferred) -> R + 'static,
) -> thread::JoinHandle<R> {
    let deferred = deferred.clone();
    thread::spawn(move || body(&deferred))
}

/// Two queue, and one of them stops it. What is queued before the stop runs, and nothing after.
/// Interrupted at most three times.
#[test]
fn each_true_is_one_run() {
    crate::model(Some(3), || {
        let (deferred, worker) = Deferred::served_by(|_| ());
        let other = spawn(&deferred, |deferred| u32::from(deferred.slot.queue()));
        let queued = u32::from(deferred.slot.queue());
        deferred.slot.stop();
        assert!(!deferred.slot.queue(), "queued after the stop");
        let runs = worker.join().unwrap();
        assert_eq!(runs, queued + other.join().unwrap(), "runs that are not the calls queued");
    });
}

#[test]
fn a_run_sees_what_was_written_before() {
    crate::model(None, || {
        let (deferred, worker) = Deferred::served_by(|deferred| {
            // SAFETY: loom checks that nobody writes meanwhile; that is what the model is about.
            assert_eq!(deferred.plain.with(|plain| unsafe { *plain }), 1);
        });
        // SAFETY: as above.
        deferred.plain.with_mut(|plain| unsafe { *plain = 1 });
        assert!(deferred.slot.queue());
        deferred.slot.stop();
        assert_eq!(worker.join().unwrap(), 1);
    });
}

/// Whatever the answer was: a run comes that sees it. Interrupted at most three times.
#[test]
fn what_was_written_before_a_false_is_seen_too() {
    crate::model(Some(3), || {
        let (deferred, worker) = Deferred::served_by(|deferred| {
            let seen = deferred.shared.load(Ordering::Relaxed);
            // SAFETY: only the thread of deferred calls reaches it until that has ended.
            deferred.plain.with_mut(|last| unsafe { *last = seen });
        });
        let other = spawn(&deferred, |deferred| deferred.slot.queue());
        deferred.shared.store(1, Ordering::Relaxed);
        deferred.slot.queue();
        other.join().unwrap();
        deferred.slot.stop();
        worker.join().unwrap();
        // SAFETY: as above; it has ended.
        assert_eq!(deferred.plain.with(|last| unsafe { *last }), 1, "the last run has not seen it");
    });
}

/// The thread may sleep when the stop comes, and nothing was ever queued.
#[test]
fn a_stop_wakes() {
    crate::model(None, || {
        let (deferred, worker) = Deferred::served_by(|_| ());
        deferred.slot.stop();
        assert_eq!(worker.join().unwrap(), 0);
    });
}
