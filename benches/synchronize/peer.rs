//! The contender of a vector: a bare thread that reads an eventfd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// What is written to end the thread: more than would ever be counted.
const END: u64 = 1 << 40;

/// A thread that waits for an eventfd, and does something each time.
pub struct Peer {
    eventfd: EventFd,
    thread: JoinHandle<()>,
}

impl Peer {
    /// Asleep in `read`.
    pub fn blocked(each: impl FnMut() + Send + 'static) -> Self {
        Self::start(EFD_CLOEXEC, each)
    }

    /// Reading again and again.
    pub fn polling(each: impl FnMut() + Send + 'static) -> Self {
        Self::start(EFD_CLOEXEC | EFD_NONBLOCK, each)
    }

    fn start(flags: i32, mut each: impl FnMut() + Send + 'static) -> Self {
        let eventfd = EventFd::new(flags).expect("an eventfd");
        let reader = eventfd.try_clone().expect("an eventfd");
        let thread = std::thread::spawn(move || {
            loop {
                match reader.read() {
                    Ok(count) if count >= END => break,
                    Ok(_) => each(),
                    Err(_) => std::hint::spin_loop(),
                }
            }
        });
        Self { eventfd, thread }
    }

    pub fn fire(&self) {
        self.eventfd.write(1).expect("room");
    }

    /// Ends the thread and waits for it.
    pub fn end(self) {
        self.eventfd.write(END).expect("room");
        self.thread.join().expect("the reader ends");
    }
}

/// Counts what has arrived, for the thread that waits for it.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<AtomicU64>);

impl Arrivals {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn has_ended(&self) -> bool {
        self.count() >= END
    }

    /// Nothing arrives any more.
    pub fn end(&self) {
        self.0.store(END, Ordering::Release);
    }
}
