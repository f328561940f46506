//! The lock word: the owner's thread id, as priority inheritance wants it.
//!
//! Free is 0. Taken without contention it is one compare-and-swap, and one to give it back. Under contention a thread
//! spins a little, because handing a priority-inheritance futex over costs many times a short section, and then lets
//! the kernel queue it by priority and lend that priority to the owner.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::sync::{AtomicBool, AtomicU32, LOOKS, Ordering, YIELDS, sleep, spin_loop, yield_now};
use super::{Patience, Rank, SyncError, fork, futex, thread};

/// How long a waiter sleeps where the kernel cannot queue it.
const PAUSE: Duration = Duration::from_micros(50);

/// How the word is taken and given back. The models show that a weaker order loses what the lock guards.
const ACQUIRE: Ordering =
    if cfg!(mutation = "acquire_relaxed") { Ordering::Relaxed } else { Ordering::Acquire };
const RELEASE: Ordering =
    if cfg!(mutation = "release_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// A priority-inheritance lock with ranks, poisoning, and no data.
#[derive(Debug)]
pub struct Lock {
    word: AtomicU32,
    poisoned: AtomicBool,
    forks: u32,
    rank: Rank,
}

impl Lock {
    pub fn new(rank: Rank) -> Self {
        fork::watch();
        Self { word: AtomicU32::new(0), poisoned: AtomicBool::new(false), forks: fork::count(), rank }
    }

    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Whether this thread, which is `me` and holds nothing above `held`, may wait for the lock.
    #[inline]
    pub fn admit(&self, me: u32, held: Rank) -> Result<(), SyncError> {
        if fork::count() != self.forks {
            return Err(SyncError::Forked);
        }
        if self.word.load(Ordering::Relaxed) & futex::TID == me {
            return Err(SyncError::Reentrant);
        }
        if held >= self.rank {
            return Err(SyncError::LockOrder);
        }
        Ok(())
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_acquire(&self, me: u32) -> bool {
        self.word.compare_exchange(0, me, ACQUIRE, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock that was not free; the nanoseconds that it took, 0 for a caller without patience, and else at
    /// least 1. `None` where the patience ended first.
    #[cold]
    #[inline(never)]
    pub fn acquire_contended(&self, me: u32, patience: Patience) -> Option<u64> {
        if let Patience::None = patience {
            return self.try_take_over(me).then_some(0);
        }
        let came = Instant::now();
        let acquired = self.wait(me, patience.from(came));
        acquired.then(|| u64::try_from(came.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1))
    }

    fn wait(&self, me: u32, patience: Patience) -> bool {
        let yields = if let Patience::Queued = patience { 0 } else { YIELDS };
        for look in 0..LOOKS + yields {
            if look < LOOKS {
                // Twice as long each time: whoever is inside comes and goes undisturbed by looks at its cache line.
                (0..1 << look).for_each(|_| spin_loop());
            } else {
                yield_now();
            }
            if self.word.load(Ordering::Relaxed) == 0 && self.try_acquire(me) {
                return true;
            }
            if patience.is_over() {
                return self.try_take_over(me);
            }
        }
        loop {
            let seen = self.word.load(Ordering::Relaxed);
            match futex::lock_pi(&self.word, patience.deadline()) {
                Ok(()) => {
                    self.inherit();
                    return true;
                }
                Err(Errno::ESRCH) if self.take_over(me, seen) => return true,
                Err(Errno::ETIMEDOUT) => return false,
                // ESRCH: somebody else took over. EAGAIN: the owner is about to exit. EINVAL: it has, and its heir is
                // not in the word yet. ENOSYS: a kernel without the operation, where this is all the waiting there is.
                Err(_) => {
                    sleep(PAUSE);
                    if self.try_acquire(me) {
                        return true;
                    }
                    if patience.is_over() {
                        return self.try_take_over(me);
                    }
                }
            }
        }
    }

    /// The kernel has given this thread the lock: perhaps a dead owner's, and then what it guarded is half done.
    fn inherit(&self) {
        let died = self.word.load(Ordering::Relaxed) & futex::OWNER_DIED != 0;
        if died && !cfg!(mutation = "heir_unpoisoned") {
            self.poison();
        }
    }

    /// Takes the lock from an owner that died with nobody queued, as the kernel has just told.
    fn take_over(&self, me: u32, dead: u32) -> bool {
        // The kernel marks the word before it looks for the owner.
        let taken = [dead, dead | futex::WAITERS]
            .iter()
            .any(|&dead| self.word.compare_exchange(dead, me, ACQUIRE, Ordering::Relaxed).is_ok());
        if taken && !cfg!(mutation = "take_over_unpoisoned") {
            self.poison();
        }
        taken
    }

    /// Takes the lock if its owner is no more; for those who do not ask the kernel to queue them.
    fn try_take_over(&self, me: u32) -> bool {
        let seen = self.word.load(Ordering::Relaxed);
        if !futex::owner_is_dead(seen) {
            return false;
        }
        if cfg!(mutation = "heir_robbed") {
            return self.take_over(me, seen);
        }
        // The dead may have an heir who is not in the word yet: only the kernel knows.
        match futex::trylock_pi(&self.word) {
            Ok(()) => {
                self.inherit();
                true
            }
            Err(Errno::ESRCH) => self.take_over(me, seen),
            Err(_) => false,
        }
    }

    /// Gives the lock back. The caller holds it.
    #[inline]
    pub fn release(&self, me: u32) {
        if cfg!(mutation = "release_blind") {
            return self.word.store(0, RELEASE);
        }
        // Whoever waits has marked the word: it is not `me` then.
        let alone = if cfg!(mutation = "release_unhanded") { self.word.load(Ordering::Relaxed) } else { me };
        if self.word.compare_exchange(alone, 0, RELEASE, Ordering::Relaxed).is_err() {
            self.release_contended();
        }
    }

    #[cold]
    #[inline(never)]
    fn release_contended(&self) {
        while let Err(errno) = futex::unlock_pi(&self.word) {
            if errno != Errno::EINTR && errno != Errno::EAGAIN {
                // The word is not this thread's any more: somebody wrote over it. Nothing here may be believed.
                self.poison();
                log::error!("futex(UNLOCK_PI): {errno}");
                return;
            }
        }
    }

    /// Whether this thread holds the lock.
    pub fn held_by_me(&self) -> bool {
        self.word.load(Ordering::Relaxed) & futex::TID == thread::id()
    }

    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// Whether it was poisoned until now.
    pub fn clear_poison(&self) -> bool {
        self.poisoned.swap(false, Ordering::AcqRel)
    }

    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }
}
