//! What comes while the handler may not be called: kept, and delivered once, when it may be called again. The section is
//! a mutex here, and the poison that of the lock.

use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::thread;
use std::convert::Infallible;
use std::sync::Arc;

use crate::interrupt::Eventfd;
use crate::interrupt::backlog::Backlog;
use crate::synchronize::Rank;
use crate::synchronize::lock::Lock;

/// The library's `Connection` and its thread, as far as delivery goes.
struct Connection {
    section: Mutex<()>,
    poison: Lock,
    backlog: Backlog,
    eventfd: Eventfd,
    /// How many interrupts the handler was called for: plain data, whose races loom tells.
    delivered: UnsafeCell<u64>,
    /// Whether the handler panics when it is called for the first time.
    panics: bool,
}

impl Connection {
    fn new(fired: u64, panics: bool) -> Arc<Self> {
        let connection = Self {
            section: Mutex::new(()),
            poison: Lock::new(Rank::vector(1, 0)),
            backlog: Backlog::default(),
            eventfd: Eventfd::default(),
            delivered: UnsafeCell::new(0),
            panics,
        };
        connection.eventfd.write(fired);
        Arc::new(connection)
    }

    /// One turn of the vector's thread, which finds the eventfd signalled or does not.
    fn turn(&self, panics: bool) -> bool {
        match self.eventfd.take_now() {
            0 => false,
            count => {
                self.dispatch(count, panics);
                true
            }
        }
    }

    fn dispatch(&self, count: u64, panics: bool) {
        let section = self.section.lock().unwrap();
        if self.poison.is_poisoned() || self.backlog.is_inactive() {
            drop(section);
            return self.keep(count);
        }
        if panics {
            self.backlog.keep(count, || false);
            return self.poison.poison();
        }
        // SAFETY: loom checks that nobody else reaches the data meanwhile; that is what the model is about.
        self.delivered.with_mut(|delivered| unsafe { *delivered += count });
    }

    fn keep(&self, count: u64) {
        if self.backlog.keep(count, || !self.poison.is_poisoned() && !self.backlog.is_inactive()) {
            self.replay();
        }
    }

    fn replay(&self) {
        match self.backlog.take() {
            0 => {}
            kept => self.eventfd.write(kept),
        }
    }

    fn deactivate(&self) {
        let _section = self.section.lock().unwrap();
        self.backlog.deactivate();
    }

    fn activate(&self) {
        let outcome: Result<(), Infallible> = self.backlog.activate(|| {
            self.replay();
            Ok(())
        });
        outcome.unwrap_or_else(|never| match never {});
    }

    /// For who has seen the poison: loom may order a store before an exchange that has not read it.
    fn clear_poison(&self) {
        if self.poison.is_poisoned() && self.poison.clear_poison() {
            self.replay();
        }
    }

    fn delivered(&self) -> u64 {
        // SAFETY: as in `dispatch`.
        self.delivered.with(|delivered| unsafe { *delivered })
    }

    /// What the thread would do from now on.
    fn settle(&self) {
        while self.turn(false) {}
    }
}

/// The vector's thread, for so many turns.
fn deliver(connection: &Arc<Connection>, turns: u32) -> thread::JoinHandle<()> {
    let connection = connection.clone();
    thread::spawn(move || {
        for turn in 0..turns {
            connection.turn(turn == 0 && connection.panics);
        }
    })
}

/// One thread activates while what fired comes in, and fires on.
#[test]
fn what_is_kept_comes_once_it_is_active() {
    crate::model(None, || {
        let connection = Connection::new(1, false);
        connection.deactivate();
        let delivers = deliver(&connection, 2);
        connection.eventfd.write(2);
        connection.activate();
        delivers.join().unwrap();
        connection.settle();
        assert_eq!(connection.delivered(), 3, "interrupts lost or doubled");
    });
}

/// Two threads activate, and both may find the same interrupts kept, as may the thread that keeps them.
#[test]
fn who_activates_twice_delivers_once() {
    crate::model(None, || {
        let connection = Connection::new(1, false);
        connection.deactivate();
        let delivers = deliver(&connection, 1);
        let other = {
            let connection = connection.clone();
            thread::spawn(move || connection.activate())
        };
        connection.activate();
        [delivers, other].into_iter().for_each(|thread| thread.join().unwrap());
        connection.settle();
        assert_eq!(connection.delivered(), 1, "interrupts lost or doubled");
    });
}

/// Once `deactivate` has returned, no handler runs: its data may be read outside of any section.
#[test]
fn while_inactive_nothing_is_delivered() {
    crate::model(None, || {
        let connection = Connection::new(1, false);
        let delivers = deliver(&connection, 2);
        connection.deactivate();
        let before = connection.delivered();
        connection.eventfd.write(1);
        thread::yield_now();
        assert_eq!(connection.delivered(), before);
        connection.activate();
        delivers.join().unwrap();
        connection.settle();
        assert_eq!(connection.delivered(), 2, "interrupts lost or doubled");
    });
}

/// The handler panics, and somebody declares its data whole again while more comes in.
#[test]
fn what_is_kept_comes_once_the_poison_is_cleared() {
    crate::model(None, || {
        let connection = Connection::new(1, true);
        let delivers = deliver(&connection, 2);
        connection.eventfd.write(2);
        connection.clear_poison();
        delivers.join().unwrap();
        connection.clear_poison();
        connection.settle();
        assert_eq!(connection.delivered(), 3, "interrupts lost or doubled");
    });
}
