//! The lock: sections exclude each other and see each other's plain writes, whoever waits is woken, and a dead owner is
//! told.

use loom::cell::UnsafeCell;
use loom::thread::JoinHandle;
use std::sync::Arc;

use crate::synchronize::lock::Lock;
use crate::synchronize::{Patience, Rank, futex, thread};

/// What a section is about: plain data, whose races loom tells.
struct Guarded {
    lock: Lock,
    data: UnsafeCell<u32>,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { lock: Lock::new(Rank::vector(1, 0)), data: UnsafeCell::new(0) })
    }

    /// As `Protected` does it. False without patience, where another is inside.
    fn enter(&self, patience: Patience) -> bool {
        let me = thread::id();
        self.lock.admit(me, Rank::control(0)).unwrap();
        self.lock.try_acquire(me) || self.lock.acquire_contended(me, patience).is_some()
    }

    fn leave(&self) {
        self.lock.release(thread::id());
    }

    fn add(&self) {
        // SAFETY: loom checks that nobody else reaches the data meanwhile; that is what the model is about.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: as for `add`.
        self.data.with(|data| unsafe { *data })
    }

    fn add_in_section(&self) {
        assert!(self.enter(Patience::Forever));
        self.add();
        self.leave();
    }
}

/// The end of a thread in its section, perhaps after the others have come to the kernel.
fn die_slowly() {
    loom::thread::yield_now();
    loom::thread::yield_now();
    futex::exit();
}

/// Starts a thread of this id.
fn spawn(id: u32, guarded: &Arc<Guarded>, body: impl FnOnce(&Guarded) + 'static) -> JoinHandle<()> {
    let guarded = guarded.clone();
    loom::thread::spawn(move || {
        thread::be(id);
        body(&guarded);
    })
}

/// A model whose first thread has an id too.
fn model(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    crate::model(preemptions, move || {
        thread::be(1);
        body();
    });
}

#[test]
fn sections_exclude_each_other() {
    model(None, || {
        let guarded = Guarded::new();
        let other = spawn(2, &guarded, Guarded::add_in_section);
        guarded.add_in_section();
        other.join().unwrap();
        assert!(guarded.enter(Patience::None));
        assert_eq!(guarded.read(), 2);
        guarded.leave();
    });
}

/// Three threads, interrupted at most twice in a run: more takes minutes.
#[test]
fn three_hand_it_on() {
    model(Some(2), || {
        let guarded = Guarded::new();
        let others = [2, 3].map(|id| spawn(id, &guarded, Guarded::add_in_section));
        guarded.add_in_section();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(guarded.enter(Patience::None), "nobody is inside any more");
        assert_eq!(guarded.read(), 3);
        guarded.leave();
    });
}

#[test]
fn a_try_is_exclusive_too() {
    model(None, || {
        let guarded = Guarded::new();
        let other = spawn(2, &guarded, |guarded| {
            if guarded.enter(Patience::None) {
                guarded.add();
                guarded.leave();
            }
        });
        guarded.add_in_section();
        other.join().unwrap();
        assert!(guarded.enter(Patience::None));
        assert!((1..=2).contains(&guarded.read()));
        guarded.leave();
    });
}

#[test]
fn poison_is_seen_by_the_next() {
    model(None, || {
        let guarded = Guarded::new();
        let panics = spawn(2, &guarded, |guarded| {
            assert!(guarded.enter(Patience::Forever));
            guarded.add();
            guarded.lock.poison();
            guarded.leave();
        });
        assert!(guarded.enter(Patience::Forever));
        assert_eq!(guarded.read() == 1, guarded.lock.is_poisoned(), "half done and not poisoned");
        guarded.leave();
        panics.join().unwrap();
    });
}

/// Thread 2 dies in its section, before or while thread 1 waits for it, without patience or with.
#[test]
fn the_death_of_an_owner_poisons() {
    for patience in [Patience::Forever, Patience::None] {
        model(None, move || {
            let guarded = Guarded::new();
            let dies = spawn(2, &guarded, |guarded| {
                assert!(guarded.enter(Patience::Forever));
                guarded.add();
                die_slowly();
            });
            if guarded.enter(patience) {
                assert_eq!(guarded.read() == 1, guarded.lock.is_poisoned(), "half done and not poisoned");
                guarded.leave();
            }
            dies.join().unwrap();
            // Whoever comes later finds it free, or takes it over.
            assert!(guarded.enter(Patience::Forever));
            assert!(guarded.lock.is_poisoned() && guarded.read() == 1, "half done and not poisoned");
            guarded.leave();
        });
    }
}

/// Thread 2 dies while thread 3 is queued or comes to be, and thread 1 only tries: the kernel has an heir then, though
/// the word still names the dead. Interrupted at most three times.
#[test]
fn an_heir_is_not_robbed() {
    model(Some(3), || {
        let guarded = Guarded::new();
        let dies = spawn(2, &guarded, |guarded| {
            if guarded.enter(Patience::None) {
                die_slowly();
            }
        });
        let waits = spawn(3, &guarded, Guarded::add_in_section);
        if guarded.enter(Patience::None) {
            guarded.add();
            guarded.leave();
        }
        dies.join().unwrap();
        waits.join().unwrap();
    });
}
