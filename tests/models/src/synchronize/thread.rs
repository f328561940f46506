//! What each thread of a model knows of itself.

use std::cell::Cell;

loom::thread_local! {
    static ID: Cell<u32> = Cell::new(0);
}

/// The id that this thread was given.
pub fn id() -> u32 {
    ID.with(Cell::get)
}

/// Gives this thread its id.
pub fn be(id: u32) {
    ID.with(|own| own.set(id));
}
