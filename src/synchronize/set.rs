//! Several sections at once: each distinct lock taken once, in ascending rank, so that sets never wait in a circle.

use std::marker::PhantomData;
use std::ptr;
use std::time::{Duration, Instant};

use super::lock::Lock;
use super::{Patience, Protected, Rank, SyncError, signals, thread};

/// A lock without the type of its data: what a set is made of. [`Protected::member`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a>(&'a Lock);

impl Member<'_> {
    /// Whether both stand at one place in lock order and are not the same lock: a set cannot have both.
    pub fn stands_in_the_way_of(self, other: Member<'_>) -> bool {
        self.0.rank() == other.0.rank() && !ptr::eq(self.0, other.0)
    }
}

impl<T: ?Sized> Protected<T> {
    /// This lock as a member of a set.
    #[inline]
    pub fn member(&self) -> Member<'_> {
        Member(self.lock_alone())
    }
}

/// Runs `routine` in the sections of all `members` at once, however long it takes to get in.
///
/// The order of `members` does not matter, and one named twice is entered once. A panic in `routine` poisons them all.
///
/// ```
/// use dirql::synchronize::{Protected, Rank, synchronize_set};
/// let (sent, names) = (Protected::new(Rank::next(), 0), Protected::new(Rank::next(), vec!["rx"]));
/// let both = synchronize_set(&[names.member(), sent.member()], |held| {
///     *held.state(&sent)? += 1;
///     held.state(&names)?.push("tx");
///     Some(())
/// });
/// assert_eq!(both, Ok(Some(())));
/// assert_eq!(sent.synchronize(|sent| *sent), Ok(1));
/// ```
///
/// # Errors
/// On every error `routine` has not run, and nothing is held that was not before. `Forked`, `Reentrant` where this
/// thread is in one of the sections, `LockOrder` where it holds a lock that comes after one of them or where two of
/// them have the same rank: before waiting for any. `Poisoned` where one of them is, before waiting or after.
///
/// Source: R12 of `docs/synchronize.md`.
pub fn synchronize_set<R>(
    members: &[Member<'_>],
    routine: impl FnOnce(&mut Held<'_>) -> R,
) -> Result<R, SyncError> {
    enter_set(members, Patience::Forever, routine)
}

/// As [`synchronize_set`], but never waits.
///
/// # Errors
/// As there; `TimedOut` where another thread is in one of the sections.
pub fn try_synchronize_set<R>(
    members: &[Member<'_>],
    routine: impl FnOnce(&mut Held<'_>) -> R,
) -> Result<R, SyncError> {
    enter_set(members, Patience::None, routine)
}

/// As [`synchronize_set`], but waits no longer than `timeout` for all of them together, on the monotonic clock.
///
/// # Errors
/// As there; `TimedOut` where they were not all free in that time.
pub fn synchronize_set_timeout<R>(
    members: &[Member<'_>],
    timeout: Duration,
    routine: impl FnOnce(&mut Held<'_>) -> R,
) -> Result<R, SyncError> {
    enter_set(members, Patience::For(timeout), routine)
}

/// Runs `routine` in the sections of all `members`, with as much patience for all of them together.
pub(crate) fn enter_set<R>(
    members: &[Member<'_>],
    mut patience: Patience,
    routine: impl FnOnce(&mut Held<'_>) -> R,
) -> Result<R, SyncError> {
    let me = thread::id();
    let _masked = (!thread::masked()).then(signals::mask_thread);
    // In order and free, as they mostly are: nothing to sort, and nothing to wait for.
    let mut taken = Taken::none_of(members, me);
    if taken.take(|_| None).is_ok() {
        return Ok(taken.run(routine));
    }
    drop(taken);
    let members = in_order(members);
    admit(&members, me)?;
    let mut taken = Taken::none_of(&members, me);
    taken.take(|lock| {
        // Counted from the first wait on.
        patience = patience.from(Instant::now());
        lock.acquire_contended(me, patience)
    })?;
    Ok(taken.run(routine))
}

/// The members by rank, each once.
#[cold]
fn in_order<'a>(members: &[Member<'a>]) -> Vec<Member<'a>> {
    let mut members = members.to_vec();
    // By address too: the same lock twice comes twice in a row.
    members.sort_unstable_by_key(|member| (member.0.rank(), ptr::from_ref(member.0)));
    members.dedup_by(|a, b| ptr::eq(a.0, b.0));
    members
}

/// Whether this thread may wait for the members, which are in order.
#[cold]
fn admit(members: &[Member<'_>], me: u32) -> Result<(), SyncError> {
    let (mut below, mut in_order) = (thread::held(), true);
    for Member(lock) in members {
        match lock.admit(me, below) {
            // Another of them may be held, which says more.
            Err(SyncError::LockOrder) => in_order = false,
            answer => answer?,
        }
        below = lock.rank();
    }
    if !in_order {
        return Err(SyncError::LockOrder);
    }
    if members.iter().any(|member| member.0.is_poisoned()) { Err(SyncError::Poisoned) } else { Ok(()) }
}

/// The members of a set that were taken so far; gives them back, also while unwinding.
struct Taken<'a> {
    members: &'a [Member<'a>],
    /// The first so many are held.
    count: usize,
    me: u32,
    /// What the thread held before.
    below: Rank,
    /// The routine has begun and not returned.
    running: bool,
}

impl<'a> Taken<'a> {
    #[inline]
    fn none_of(members: &'a [Member<'a>], me: u32) -> Self {
        Self { members, count: 0, me, below: thread::held(), running: false }
    }

    /// Takes the members one after the other, where each comes above the last; `wait` is for those that are not free.
    #[inline]
    fn take(&mut self, mut wait: impl FnMut(&Lock) -> Option<u64>) -> Result<(), SyncError> {
        for Member(lock) in self.members {
            lock.admit(self.me, thread::held())?;
            if !lock.try_acquire(self.me) {
                wait(lock).ok_or(SyncError::TimedOut)?;
            }
            self.count += 1;
            thread::set_held(lock.rank());
            if lock.is_poisoned() {
                return Err(SyncError::Poisoned);
            }
        }
        Ok(())
    }

    #[inline]
    fn run<R>(&mut self, routine: impl FnOnce(&mut Held<'_>) -> R) -> R {
        self.running = true;
        let result = routine(&mut Held { members: self.members, _this_thread: PhantomData });
        self.running = false;
        result
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        let held = &self.members[..self.count];
        if self.running {
            held.iter().for_each(|member| member.0.poison());
        }
        held.iter().rev().for_each(|member| member.0.release(self.me));
        thread::set_held(self.below);
    }
}

/// The sections of a set, all held by this thread.
///
/// It hands out the data of one member at a time, because two names may mean the same lock. This does not compile:
///
/// ```compile_fail,E0499
/// use dirql::synchronize::{Protected, Rank, synchronize_set};
/// let (a, b) = (Protected::new(Rank::next(), 0), Protected::new(Rank::next(), 0));
/// let _ = synchronize_set(&[a.member(), b.member()], |held| {
///     let (a, b) = (held.state(&a), held.state(&b));
///     a == b
/// });
/// ```
// The lifetime is one that no other set has, so that the `Held` of two nested sets cannot be exchanged for each other.
#[derive(Debug)]
pub struct Held<'s> {
    /// In ascending rank.
    members: &'s [Member<'s>],
    _this_thread: PhantomData<*const ()>,
}

impl Held<'_> {
    /// The data of a member. `None` for a lock that this set has not taken, also where a section around it has.
    pub fn state<'h, T: ?Sized>(&'h mut self, of: &'h Protected<T>) -> Option<&'h mut T> {
        let lock = of.lock_alone();
        let place = self.members.binary_search_by_key(&lock.rank(), |member| member.0.rank()).ok()?;
        if !ptr::eq(self.members[place].0, lock) {
            return None;
        }
        // SAFETY: this thread holds the lock until the set's routine has returned, which `self` does not outlive. No
        // section of it was entered by this thread, before (the set would have been refused) or since (it is
        // `Reentrant`), and `self` is borrowed mutably: there is no other reference to the data.
        Some(unsafe { &mut *of.data() })
    }
}
