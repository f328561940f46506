//! A thread that sleeps until woken, by a token. Loom's own hands what the waker wrote to the woken at once, also where
//! that never sleeps; here it does so with the token.

use loom::sync::{Condvar, Mutex};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

loom::thread_local! {
    static CURRENT: RefCell<Option<Thread>> = RefCell::new(None);
}

/// A thread, for who wakes it.
#[derive(Debug, Clone, Default)]
pub struct Thread(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    is_there: Mutex<bool>,
    came: Condvar,
}

impl Thread {
    pub fn unpark(&self) {
        *self.0.is_there.lock().unwrap() = true;
        self.0.came.notify_one();
    }
}

/// Makes this thread the one that `thread` wakes.
pub fn be(thread: Thread) {
    CURRENT.with(|current| *current.borrow_mut() = Some(thread));
}

/// Sleeps until woken. No time goes by in a model: who is never woken sleeps for ever.
pub fn park_timeout(_: Duration) {
    let thread = CURRENT.with(|current| current.borrow().clone()).expect("a thread that can be woken");
    let mut is_there = thread.0.is_there.lock().unwrap();
    while !*is_there {
        is_there = thread.0.came.wait(is_there).unwrap();
    }
    *is_there = false;
}
