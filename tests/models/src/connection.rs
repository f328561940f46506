//! The way from connected to not connected: who was let in is waited for, who waits is refused, and one of those who
//! disconnect wins. The section is a mutex here: the lock has models of its own.

use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

use crate::interrupt::Eventfd;
use crate::interrupt::phase::Phase;
use crate::synchronize::{Completion, SyncError};

/// What the handler owns.
#[derive(Debug, Default, PartialEq)]
struct State {
    is_ending: bool,
}

/// The library's `Connection`, as far as its end goes.
struct Connection {
    phase: Phase,
    is_shared: bool,
    state: Mutex<Option<State>>,
    /// What routines and handler do: plain data, whose races loom tells.
    device: UnsafeCell<u32>,
    eventfd: Eventfd,
    is_attached: Mutex<bool>,
    remains: Mutex<Option<State>>,
    over: Completion,
}

impl Connection {
    /// Connected, with `fired` interrupts that nobody has taken yet.
    fn new(is_shared: bool, fired: u64) -> Arc<Self> {
        let connection = Self {
            phase: Phase::default(),
            is_shared,
            state: Mutex::new(Some(State::default())),
            device: UnsafeCell::new(0),
            eventfd: Eventfd::default(),
            is_attached: Mutex::new(true),
            remains: Mutex::new(None),
            over: Completion::new(),
        };
        connection.eventfd.write(fired);
        Arc::new(connection)
    }

    fn section(&self, routine: impl FnOnce(&mut State)) -> Result<(), SyncError> {
        self.phase.pass(|admitted| {
            let mut section = self.state.lock().unwrap();
            admitted.again()?;
            section.as_mut().map(routine).ok_or(SyncError::NotConnected)
        })
    }

    fn touch(&self) {
        // SAFETY: loom checks that nobody else reaches the data meanwhile; that is what the model is about.
        self.device.with_mut(|device| unsafe { *device += 1 });
    }

    fn detach(&self) {
        let was_attached = std::mem::take(&mut *self.is_attached.lock().unwrap());
        assert!(was_attached, "two winners");
    }

    fn stop(&self) -> bool {
        self.phase.begin_disconnecting(|| {
            self.detach();
            self.eventfd.write(1);
        })
    }

    fn disconnect(&self) -> Option<State> {
        self.stop();
        assert!(self.over.wait(Duration::MAX));
        self.over.complete();
        self.remains.lock().unwrap().take()
    }

    /// The vector's thread.
    fn deliver(&self) {
        while self.phase.is_connected() {
            self.eventfd.read();
            if self.phase.is_connected() {
                self.dispatch();
            }
        }
        self.phase.begin_disconnecting(|| self.detach());
        self.phase.end(|| {
            let mut section = self.state.lock().unwrap();
            if !self.is_shared {
                *self.remains.lock().unwrap() = section.take();
            }
        });
        self.over.complete();
    }

    fn dispatch(&self) {
        let section = self.state.lock().unwrap();
        if section.is_some() && self.phase.is_connected() {
            self.touch();
        }
    }
}

fn spawn(connection: &Arc<Connection>, body: impl FnOnce(&Connection) + 'static) -> thread::JoinHandle<()> {
    let connection = connection.clone();
    thread::spawn(move || body(&connection))
}

fn join<const N: usize>(threads: [thread::JoinHandle<()>; N]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Whether the state is the connection's alone or a group's. Interrupted at most three times.
#[test]
fn after_disconnect_nothing_runs() {
    for is_shared in [false, true] {
        crate::model(Some(3), move || {
            let connection = Connection::new(is_shared, 1);
            let delivers = spawn(&connection, Connection::deliver);
            let calls = spawn(&connection, |connection| {
                let called = connection.section(|_| connection.touch());
                assert!(matches!(called, Ok(()) | Err(SyncError::Disconnecting | SyncError::NotConnected)));
            });
            assert_eq!(connection.disconnect(), (!is_shared).then(State::default));
            // Nobody else's any more: neither handler nor routine.
            connection.touch();
            assert_eq!(connection.section(|_| connection.touch()), Err(SyncError::NotConnected));
            join([delivers, calls]);
        });
    }
}

/// The end begins inside a section, where somebody may wait for it: as where a vector is dropped there.
#[test]
fn who_waits_is_refused() {
    crate::model(None, || {
        let connection = Connection::new(false, 0);
        let waits = spawn(&connection, |connection| {
            let called = connection.section(|state| assert!(!state.is_ending, "let in after the end began"));
            assert!(matches!(called, Ok(()) | Err(SyncError::Disconnecting)));
        });
        let mut section = connection.state.lock().unwrap();
        section.as_mut().unwrap().is_ending = connection.stop();
        drop(section);
        join([waits]);
    });
}

/// One has the state, and both find it gone. Interrupted at most three times.
#[test]
fn of_two_disconnects_one_wins() {
    crate::model(Some(3), || {
        let connection = Connection::new(false, 0);
        let delivers = spawn(&connection, Connection::deliver);
        let given = Arc::new(Mutex::new(0));
        let disconnect = |connection: &Connection, given: &Mutex<u32>| {
            let state = connection.disconnect();
            assert!(connection.phase.is_over() && connection.state.lock().unwrap().is_none());
            *given.lock().unwrap() += u32::from(state.is_some());
        };
        let other = {
            let given = given.clone();
            spawn(&connection, move |connection| disconnect(connection, &given))
        };
        disconnect(&connection, &given);
        join([delivers, other]);
        assert_eq!(*given.lock().unwrap(), 1);
    });
}

/// Whoever finds it over may connect anew: the next generation has the device to itself.
#[test]
fn once_over_it_is_the_next_ones() {
    crate::model(None, || {
        let connection = Connection::new(false, 0);
        let delivers = spawn(&connection, Connection::deliver);
        let calls = spawn(&connection, |connection| {
            let _ = connection.section(|_| connection.touch());
        });
        connection.stop();
        if connection.phase.is_over() {
            connection.touch();
        }
        join([delivers, calls]);
    });
}
