//! The kernel's eventfd: a count, and who waits for it to be one.

use loom::sync::{Condvar, Mutex};

#[derive(Default)]
pub struct Eventfd {
    count: Mutex<u64>,
    written: Condvar,
}

impl Eventfd {
    pub fn write(&self, more: u64) {
        *self.count.lock().unwrap() += more;
        self.written.notify_one();
    }

    /// Takes what there is.
    pub fn take_now(&self) -> u64 {
        std::mem::take(&mut *self.count.lock().unwrap())
    }

    /// Waits for a count, and takes it.
    pub fn read(&self) -> u64 {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            count = self.written.wait(count).unwrap();
        }
        std::mem::take(&mut *count)
    }
}
