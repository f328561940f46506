//! The kernel's priority-inheritance futex, as far as its callers can tell: what is written to the word, who is queued,
//! who is handed the lock, and what becomes of it where the owner dies. Priorities are left out: first come, first served.

use loom::sync::{Condvar, Mutex, MutexGuard};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::time::Instant;

use super::sync::{AtomicU32, Ordering};
use super::thread;

pub const TID: u32 = 0x3fff_ffff;
pub const OWNER_DIED: u32 = 0x4000_0000;
pub const WAITERS: u32 = 0x8000_0000;

/// What the kernel knows of the one word of a model, under the lock of its hash bucket.
#[derive(Default)]
struct Bucket {
    queue: VecDeque<u32>,
    /// Handed the lock, and not yet awake.
    heirs: Vec<u32>,
    /// Who inherits from the dead, and has yet to write itself into the word.
    bereaved: Option<u32>,
    dead: Vec<u32>,
}

#[derive(Default)]
struct Kernel {
    bucket: Mutex<Bucket>,
    woken: Condvar,
}

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel::default();
}

fn bucket() -> MutexGuard<'static, Bucket> {
    KERNEL.bucket.lock().unwrap()
}

/// The kernel's compare-and-swap on a word of the process: a full barrier.
fn swap(word: &AtomicU32, old: u32, new: u32) -> bool {
    word.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// `FUTEX_LOCK_PI`: takes a free word; else marks it, so that its owner comes to the kernel, and queues.
pub fn lock_pi(word: &AtomicU32, deadline: Option<Instant>) -> Result<(), Errno> {
    assert!(deadline.is_none(), "no time goes by in a model");
    lock(word, true)
}

/// `FUTEX_TRYLOCK_PI`: as `FUTEX_LOCK_PI`, mark and all, but without the queue.
pub fn trylock_pi(word: &AtomicU32) -> Result<(), Errno> {
    lock(word, false)
}

fn lock(word: &AtomicU32, wait: bool) -> Result<(), Errno> {
    let me = thread::id();
    let mut bucket = bucket();
    loop {
        let seen = word.load(Ordering::Acquire);
        if seen & TID == me {
            return Err(Errno::EDEADLK);
        }
        if bucket.bereaved.is_none() {
            if seen & TID == 0 {
                if swap(word, seen, me | seen & !TID) {
                    return Ok(());
                }
                continue;
            }
            // Before the owner is looked up: from now on it cannot give the word back without the bucket's lock.
            if !swap(word, seen, seen | WAITERS) {
                continue;
            }
            // The mark stays where the owner is not found.
            if bucket.dead.contains(&(seen & TID)) {
                return Err(Errno::ESRCH);
            }
        }
        if !wait {
            return Err(Errno::EAGAIN);
        }
        bucket.queue.push_back(me);
        while !bucket.heirs.contains(&me) {
            bucket = KERNEL.woken.wait(bucket).unwrap();
        }
        bucket.heirs.retain(|&heir| heir != me);
        if bucket.bereaved == Some(me) {
            // Whatever is in the word: the lock is this thread's, and nobody else's.
            while !swap(word, word.load(Ordering::Acquire), me | WAITERS | OWNER_DIED) {}
            bucket.bereaved = None;
        }
        return Ok(());
    }
}

/// `FUTEX_UNLOCK_PI`: hands the word to who came first, with the mark even if nobody else waits; frees it for nobody.
pub fn unlock_pi(word: &AtomicU32) -> Result<(), Errno> {
    let mut bucket = bucket();
    let seen = word.load(Ordering::Acquire);
    if seen & TID != thread::id() {
        return Err(Errno::EPERM);
    }
    let heir = bucket.queue.pop_front();
    if !swap(word, seen, heir.map_or(0, |heir| heir | WAITERS)) {
        return Err(Errno::EAGAIN);
    }
    wake(bucket, heir);
    Ok(())
}

fn wake(mut bucket: MutexGuard<'_, Bucket>, heir: Option<u32>) {
    bucket.heirs.extend(heir);
    drop(bucket);
    KERNEL.woken.notify_all();
}

/// The thread ends in the section: the first of the queue inherits the lock, and writes itself into the word once it is
/// awake. Without one, the word stays as it is.
pub fn exit() {
    let mut bucket = bucket();
    bucket.dead.push(thread::id());
    let heir = bucket.queue.pop_front();
    bucket.bereaved = heir;
    wake(bucket, heir);
}

/// tgkill(2) without a signal.
pub fn owner_is_dead(word: u32) -> bool {
    bucket().dead.contains(&(word & TID))
}
