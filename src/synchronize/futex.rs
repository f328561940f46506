//! The kernel's priority-inheritance futex: `FUTEX_LOCK_PI`, `FUTEX_LOCK_PI2`, `FUTEX_TRYLOCK_PI` and
//! `FUTEX_UNLOCK_PI` of futex(2).

use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

/// The part of the word that holds the owner's thread id.
pub const TID: u32 = libc::FUTEX_TID_MASK;
/// Set in the word by the kernel where somebody is, or was, queued.
pub const WAITERS: u32 = libc::FUTEX_WAITERS;
/// Set in the word by the kernel where the owner died while others waited.
pub const OWNER_DIED: u32 = libc::FUTEX_OWNER_DIED;

/// `FUTEX_LOCK_PI2` of Linux 5.14, for which libc has no name on every target: its time is on the monotonic clock.
const LOCK_PI2: libc::c_int = 13;
/// How long an older kernel is asked to wait at once.
const SLICE: Duration = Duration::from_millis(10);

fn futex(word: &AtomicU32, operation: libc::c_int, until: Option<libc::timespec>) -> Result<(), Errno> {
    let until = until.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word is valid for the call, and so is the time where there is one; these operations read and write
    // nothing else.
    let answer = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation | libc::FUTEX_PRIVATE_FLAG, 0, until)
    };
    if answer < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Waits until this thread owns the word; whoever owns it meanwhile runs at least at this thread's priority. A signal
/// does not end the wait.
///
/// # Errors
/// `ETIMEDOUT` at the deadline; `ESRCH` where the owner is dead; others where the kernel cannot queue this thread now.
#[cold]
pub fn lock_pi(word: &AtomicU32, deadline: Option<Instant>) -> Result<(), Errno> {
    let Some(deadline) = deadline else { return futex(word, libc::FUTEX_LOCK_PI, None) };
    match futex(word, LOCK_PI2, Some(after(ClockId::CLOCK_MONOTONIC, left(deadline))?)) {
        // ENOSYS or EINVAL: there is no such operation. EINVAL has other causes too, of which the older one tells.
        Err(Errno::ENOSYS | Errno::EINVAL) => lock_pi_in_slices(word, deadline),
        answer => answer,
    }
}

/// Takes the word if the kernel finds it free, whatever the word itself says.
///
/// # Errors
/// `EAGAIN` where somebody owns it or is about to; `ESRCH` where the owner is dead and nobody is queued.
#[cold]
pub fn trylock_pi(word: &AtomicU32) -> Result<(), Errno> {
    futex(word, libc::FUTEX_TRYLOCK_PI, None)
}

/// As [`lock_pi`] where the kernel counts on the wall clock: so little at a time that setting it matters little.
fn lock_pi_in_slices(word: &AtomicU32, deadline: Instant) -> Result<(), Errno> {
    loop {
        let left = left(deadline);
        let answer = futex(word, libc::FUTEX_LOCK_PI, Some(after(ClockId::CLOCK_REALTIME, left.min(SLICE))?));
        if answer != Err(Errno::ETIMEDOUT) || left.is_zero() {
            return answer;
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// The time on `clock` once `time` has gone by; the end of its days where that is beyond.
fn after(clock: ClockId, time: Duration) -> Result<libc::timespec, Errno> {
    let now = clock_gettime(clock)?;
    let nanoseconds = now.tv_nsec() + libc::c_long::from(time.subsec_nanos().cast_signed());
    let seconds = libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX);
    Ok(libc::timespec {
        tv_sec: now.tv_sec().saturating_add(seconds).saturating_add(nanoseconds / 1_000_000_000),
        tv_nsec: nanoseconds % 1_000_000_000,
    })
}

/// Hands the word to the waiter of the highest priority.
#[cold]
pub fn unlock_pi(word: &AtomicU32) -> Result<(), Errno> {
    futex(word, libc::FUTEX_UNLOCK_PI, None)
}

/// Whether the thread that owns the word is no more: tgkill(2) with no signal.
pub fn owner_is_dead(word: u32) -> bool {
    let owner = (word & TID).cast_signed();
    // SAFETY: no signal is sent; the call only asks whether the thread exists.
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), owner, 0) };
    owner != 0 && answer < 0 && Errno::last() == Errno::ESRCH
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::thread;
    use super::*;

    type Wait = fn(&AtomicU32, Instant) -> Result<(), Errno>;

    fn each_way(test: impl Fn(Wait)) {
        test(|word, deadline| lock_pi(word, Some(deadline)));
        test(lock_pi_in_slices);
    }

    #[test]
    fn r8_either_clock_ends_a_wait_and_leaves_the_word_to_its_owner() {
        each_way(|wait| {
            let word = AtomicU32::new(thread::id());
            std::thread::scope(|scope| {
                for time in [0, 1, 25] {
                    let deadline = Instant::now() + Duration::from_millis(time);
                    let word = &word;
                    let answer = scope.spawn(move || wait(word, deadline)).join().unwrap();
                    assert_eq!(answer, Err(Errno::ETIMEDOUT));
                    assert!(Instant::now() >= deadline, "the answer came early");
                }
            });
            assert_eq!(word.load(Ordering::Relaxed) & TID, thread::id());
        });
    }

    #[test]
    fn r8_either_clock_lets_a_waiter_have_the_word_in_time() {
        each_way(|wait| {
            let word = AtomicU32::new(thread::id());
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let answer = wait(&word, Instant::now() + Duration::from_secs(20));
                    (answer, word.load(Ordering::Relaxed) & TID == thread::id(), unlock_pi(&word))
                });
                // Longer than a slice, so that the wait is taken up again.
                std::thread::sleep(SLICE * 3);
                assert_ne!(word.load(Ordering::Relaxed), thread::id(), "somebody is queued");
                unlock_pi(&word).unwrap();
                assert_eq!(waiter.join().unwrap(), (Ok(()), true, Ok(())));
            });
            assert_eq!(word.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn the_end_of_days_is_not_passed() {
        let far = after(ClockId::CLOCK_MONOTONIC, Duration::MAX).unwrap();
        assert_eq!(far.tv_sec, libc::time_t::MAX);
        let near = after(ClockId::CLOCK_MONOTONIC, Duration::from_nanos(999_999_999)).unwrap();
        assert!(near.tv_nsec < 1_000_000_000);
    }
}
