//! Data inside its lock, and the section in which it can be reached.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::lock::Lock;
use super::{Patience, Rank, SyncError, signals, thread};

/// Data that is reached only in a section.
///
/// The data is not to be had otherwise: this does not compile.
///
/// ```compile_fail
/// use dirql::synchronize::{Protected, Rank};
/// let counter = Protected::new(Rank::next(), 0_u64);
/// let unsynchronized: &u64 = &counter.data;
/// ```
pub struct Protected<T: ?Sized> {
    lock: Lock,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached only through a `Section`, and the lock lets one thread at a time have one. So sharing a
// `Protected` hands the data from thread to thread, which `T: Send` allows.
unsafe impl<T: ?Sized + Send> Sync for Protected<T> {}

impl<T> Protected<T> {
    /// Puts `data` behind a lock of the given rank.
    pub fn new(rank: Rank, data: T) -> Self {
        Self { lock: Lock::new(rank), data: UnsafeCell::new(data) }
    }
}

impl<T: ?Sized> Protected<T> {
    /// Runs `routine` in the section, however long it takes to get in. A panic in it poisons.
    ///
    /// # Errors
    /// `Forked`, `Reentrant` and `LockOrder` before waiting, `Poisoned` after; in each case `routine` has not run.
    #[inline]
    pub fn synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.enter_with(Patience::Forever, |section| section.run(routine))
    }

    /// As [`Protected::synchronize`], but never waits.
    ///
    /// # Errors
    /// As there; `TimedOut` where another thread is in the section.
    #[inline]
    pub fn try_synchronize<R>(&self, routine: impl FnOnce(&mut T) -> R) -> Result<R, SyncError> {
        self.enter_with(Patience::None, |section| section.run(routine))
    }

    /// As [`Protected::synchronize`], but waits no longer than `timeout`, on the monotonic clock.
    ///
    /// # Errors
    /// As there; `TimedOut` where the section was not free in that time.
    #[inline]
    pub fn synchronize_timeout<R>(
        &self,
        timeout: Duration,
        routine: impl FnOnce(&mut T) -> R,
    ) -> Result<R, SyncError> {
        self.enter_with(Patience::For(timeout), |section| section.run(routine))
    }

    /// Enters the section and hands it to `inside`, where it was made: a section that moves costs more.
    #[inline]
    pub(crate) fn enter_with<R>(
        &self,
        patience: Patience,
        inside: impl FnOnce(Section<'_, T>) -> R,
    ) -> Result<R, SyncError> {
        self.acquire(patience, false, inside)
    }

    /// Waits for the section, before others, and enters it: for a handler.
    pub(crate) fn enter(&self) -> Result<Section<'_, T>, SyncError> {
        self.acquire(Patience::Queued, false, |section| section)
    }

    /// Waits for the section and enters it, poisoned or not: to tear down.
    pub(crate) fn enter_poisoned(&self) -> Result<Section<'_, T>, SyncError> {
        self.acquire(Patience::Forever, true, |section| section)
    }

    #[inline]
    fn acquire<'a, R>(
        &'a self,
        patience: Patience,
        even_poisoned: bool,
        inside: impl FnOnce(Section<'a, T>) -> R,
    ) -> Result<R, SyncError> {
        let me = thread::id();
        self.lock.admit(me, thread::held())?;
        let masked_here = !thread::masked();
        if masked_here {
            signals::mask_section();
        }
        let waited =
            if self.lock.try_acquire(me) { Some(0) } else { self.lock.acquire_contended(me, patience) };
        let refused = if let Some(waited) = waited {
            if even_poisoned || !self.lock.is_poisoned() {
                let below = thread::held();
                thread::set_held(self.lock.rank());
                let _this_thread = PhantomData;
                let finished = false;
                return Ok(inside(Section {
                    protected: self,
                    below,
                    waited,
                    masked_here,
                    finished,
                    _this_thread,
                }));
            }
            self.lock.release(me);
            SyncError::Poisoned
        } else {
            SyncError::TimedOut
        };
        if masked_here {
            signals::unmask_section();
        }
        Err(refused)
    }

    /// The lock alone, for a set.
    pub(super) fn lock_alone(&self) -> &Lock {
        &self.lock
    }

    /// Where the data is. Whoever follows the pointer holds the lock and has no other reference to the data.
    pub(super) fn data(&self) -> *mut T {
        self.data.get()
    }

    /// Whether this thread is in the section.
    pub fn held_by_me(&self) -> bool {
        self.lock.held_by_me()
    }

    /// Whether a panic or the death of a thread has left the data half done.
    pub fn is_poisoned(&self) -> bool {
        self.lock.is_poisoned()
    }

    /// Declares the data whole again; whether it was poisoned until now.
    pub fn clear_poison(&self) -> bool {
        self.lock.clear_poison()
    }
}

impl<T: ?Sized> fmt::Debug for Protected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// The time in which this thread alone has the data. Leave it with [`Section::finish`]: a section that is dropped
/// unfinished was left by a panic, and poisons the lock.
///
/// A section stays on its thread, which owns the lock in the kernel's eyes.
#[must_use = "a section that is dropped without `finish` poisons its lock"]
pub(crate) struct Section<'a, T: ?Sized> {
    protected: &'a Protected<T>,
    below: Rank,
    waited: u64,
    /// Signals were blocked for this section, the outermost of its thread.
    masked_here: bool,
    finished: bool,
    _this_thread: PhantomData<*const ()>,
}

impl<T: ?Sized> Section<'_, T> {
    /// Runs `routine`, and leaves the section in good order unless it panics.
    #[inline]
    fn run<R>(mut self, routine: impl FnOnce(&mut T) -> R) -> R {
        let result = routine(&mut self);
        self.finish();
        result
    }

    /// Leaves the section in good order.
    #[inline]
    pub fn finish(mut self) {
        self.finished = true;
    }

    /// How long this thread waited, in nanoseconds: 0 where it found the section free.
    #[inline]
    pub fn waited_ns(&self) -> u64 {
        self.waited
    }
}

impl<T: ?Sized> Deref for Section<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock for as long as the section lives, so no one else reaches the data.
        unsafe { &*self.protected.data.get() }
    }
}

impl<T: ?Sized> DerefMut for Section<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; and the section is borrowed mutably, so this is the only reference out of it.
        unsafe { &mut *self.protected.data.get() }
    }
}

impl<T: ?Sized> Drop for Section<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.finished {
            self.protected.lock.poison();
        }
        thread::set_held(self.below);
        self.protected.lock.release(thread::id());
        if self.masked_here {
            signals::unmask_section();
        }
    }
}
