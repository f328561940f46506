//! R12: several sections at once.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dirql::synchronize::{
    Protected, Rank, SyncError, signals, synchronize_set, synchronize_set_timeout, try_synchronize_set,
};
use support::{PATIENCE, blocked_signals, returns};

const SOON: Duration = Duration::from_millis(30);

fn lock<T>(data: T) -> Protected<T> {
    Protected::new(Rank::next(), data)
}

/// Whether another thread finds all of them free.
fn all_free(locks: &[&Protected<u64>]) -> bool {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                locks.iter().all(|lock| {
                    lock.try_synchronize(|_| ()) != Err(SyncError::TimedOut) && !lock.held_by_me()
                })
            })
            .join()
            .unwrap()
    })
}

/// Runs `meanwhile` while another thread is in the section of `lock`.
fn while_taken<R>(lock: &Protected<u64>, meanwhile: impl FnOnce() -> R) -> R {
    let (inside, entered) = mpsc::channel();
    let (leave, told) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            lock.synchronize(|_| {
                inside.send(()).unwrap();
                told.recv_timeout(PATIENCE).unwrap_err()
            })
        });
        entered.recv_timeout(PATIENCE).unwrap();
        let _leave = leave;
        meanwhile()
    })
}

#[test]
fn r12_a_set_reaches_the_data_of_each_member() {
    let (numbers, words) = (lock(vec![1_u64]), lock(String::from("a")));
    let unsized_: &Protected<[u64]> = &lock([1, 2, 3]);
    let outside = lock(0_u64);
    let before = blocked_signals();
    let told = synchronize_set(&[words.member(), numbers.member(), outside.member()], |held| {
        held.state(&numbers).unwrap().push(2);
        held.state(&words).unwrap().push('b');
        assert!(held.state(unsized_).is_none(), "it is no member");
        assert_ne!(blocked_signals(), before, "signals are blocked inside");
        assert!(numbers.held_by_me() && words.held_by_me());
        7
    });
    assert_eq!(told, Ok(7));
    assert_eq!(blocked_signals(), before);
    assert_eq!(numbers.synchronize(|numbers| numbers.clone()), Ok(vec![1, 2]));
    assert_eq!(words.synchronize(|words| words.clone()), Ok("ab".into()));
    assert_eq!(synchronize_set(&[], |held| held.state(&outside).is_none()), Ok(true));
}

#[test]
fn r12_a_member_named_twice_is_entered_once_and_has_one_state() {
    let (a, b) = (lock(0_u64), lock(0_u64));
    let alias = &a;
    let told = synchronize_set(&[a.member(), b.member(), alias.member(), b.member(), a.member()], |held| {
        *held.state(&a).unwrap() += 1;
        *held.state(alias).unwrap() += 1;
        *held.state(&b).unwrap() += 1;
        *held.state(&a).unwrap()
    });
    assert_eq!(told, Ok(2));
    assert!(all_free(&[&a, &b]));
}

#[test]
fn r12_the_data_of_a_section_around_the_set_is_not_to_be_had_twice() {
    let (low, high) = (lock(1_u64), lock(2_u64));
    let told = low.synchronize(|mine| {
        synchronize_set(&[high.member()], |held| {
            assert!(held.state(&low).is_none(), "`mine` is a reference to it");
            *mine += *held.state(&high).unwrap();
        })
    });
    assert_eq!(told, Ok(Ok(())));
    let told = synchronize_set(&[low.member()], |outer| {
        let inner = synchronize_set(&[high.member()], |inner| {
            (inner.state(&low).is_none(), outer.state(&high).is_none(), *outer.state(&low).unwrap())
        });
        assert_eq!(inner, Ok((true, true, 3)));
        // Inside a set, a member's own section is held already.
        (low.synchronize(|_| ()), synchronize_set(&[high.member(), low.member()], |_| ()))
    });
    assert_eq!(told, Ok((Err(SyncError::Reentrant), Err(SyncError::Reentrant))));
}

#[test]
fn r12_set_and_reverse_set_do_not_deadlock() {
    const ROUNDS: u64 = 1_000_000;
    // Beside them, a third thread enters one at a time, and a fourth has little patience.
    let locks = Arc::new((lock(0_u64), lock(0_u64), lock(0_u64)));
    let others = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicU64::new(0));
    let ordered = |reverse: bool| {
        let (locks, over) = (locks.clone(), over.clone());
        std::thread::spawn(move || {
            let _masked = reverse.then(signals::mask_thread);
            let (a, b, c) = &*locks;
            let mut order = [a, b, c].map(Protected::member);
            if reverse {
                order.reverse();
            }
            for _ in 0..ROUNDS / 2 {
                synchronize_set(&order, |held| {
                    let before = *held.state(a).unwrap();
                    *held.state(b).unwrap() += 1;
                    assert_eq!(*held.state(c).unwrap(), before, "somebody else is inside");
                    *held.state(a).unwrap() += 1;
                    *held.state(c).unwrap() += 1;
                })
                .unwrap();
            }
            over.fetch_add(1, Ordering::Relaxed);
        })
    };
    let beside = |with_set: bool| {
        let (locks, over, others) = (locks.clone(), over.clone(), others.clone());
        std::thread::spawn(move || {
            let (a, b, c) = &*locks;
            while over.load(Ordering::Relaxed) < 2 {
                let add = |b: &mut u64| *b += 1;
                let told = if with_set {
                    synchronize_set_timeout(
                        &[c.member(), b.member(), a.member()],
                        Duration::from_micros(5),
                        |held| {
                            add(held.state(b).unwrap());
                        },
                    )
                } else {
                    b.synchronize(add)
                };
                match told {
                    Ok(()) => others.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        assert_eq!(error, SyncError::TimedOut);
                        0
                    }
                };
                std::thread::sleep(Duration::from_micros(100));
            }
        })
    };
    let threads = [ordered(false), ordered(true), beside(false), beside(true)];
    returns("a million sets", move || threads.into_iter().for_each(|thread| thread.join().unwrap()));
    let (a, b, c) = &*locks;
    let counts = [a, b, c].map(|lock| lock.synchronize(|n| *n).unwrap());
    assert_eq!(counts, [ROUNDS, ROUNDS + others.load(Ordering::Relaxed), ROUNDS]);
}

#[test]
fn r12_a_panic_poisons_every_member() {
    let (a, b, outside) = (lock(0_u64), lock(0_u64), lock(0_u64));
    let before = blocked_signals();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        synchronize_set(&[b.member(), a.member()], |_| panic!("on purpose"))
    }));
    assert!(panicked.is_err());
    assert_eq!(blocked_signals(), before);
    assert!(a.is_poisoned() && b.is_poisoned() && !outside.is_poisoned());
    assert!(all_free(&[&a, &b, &outside]));
    for lock in [&a, &b] {
        assert_eq!(synchronize_set(&[outside.member(), lock.member()], |_| ()), Err(SyncError::Poisoned));
        assert!(lock.clear_poison());
    }
    assert!(!outside.is_poisoned(), "a refusal poisons nobody");
    assert_eq!(synchronize_set(&[a.member(), b.member(), outside.member()], |_| ()), Ok(()));
}

#[test]
fn r12_a_refused_member_leaves_all_free_and_the_mask_as_it_was() {
    let locks = [lock(0_u64), lock(0_u64), lock(0_u64)];
    let [a, b, c] = &locks;
    let all = [c, a, b].map(Protected::member);
    let before = blocked_signals();
    let never = |_: &mut dirql::synchronize::Held<'_>| unreachable!("the set is refused");
    for taken in &locks {
        while_taken(taken, || {
            let others: Vec<_> = locks.iter().filter(|lock| !std::ptr::eq(*lock, taken)).collect();
            assert_eq!(try_synchronize_set(&all, never), Err::<(), _>(SyncError::TimedOut));
            assert!(all_free(&others));
            assert_eq!(synchronize_set_timeout(&all, SOON, never), Err::<(), _>(SyncError::TimedOut));
            assert!(all_free(&others));
            assert_eq!(blocked_signals(), before);
        });
    }
    // What is refused anyway is refused before any wait: `a` is taken.
    let told = while_taken(a, || {
        [
            returns_err(|| b.synchronize(|_| synchronize_set(&all, never))),
            returns_err(|| c.synchronize(|_| synchronize_set(&[a.member(), b.member()], never))),
        ]
    });
    assert_eq!(told, [SyncError::Reentrant, SyncError::LockOrder]);
    assert!(catch_unwind(AssertUnwindSafe(|| c.synchronize(|_| panic!("on purpose")))).is_err());
    let told = while_taken(a, || synchronize_set(&all, never));
    assert_eq!(told, Err::<(), _>(SyncError::Poisoned));
    assert!(c.clear_poison());
    assert_eq!(blocked_signals(), before);
    assert!(all_free(&[a, b, c]) && locks.iter().all(|lock| !lock.is_poisoned()));
    assert_eq!(synchronize_set(&all, |_| ()), Ok(()));
}

fn returns_err(f: impl FnOnce() -> Result<Result<(), SyncError>, SyncError>) -> SyncError {
    f().unwrap().unwrap_err()
}

#[test]
fn r12_two_members_of_one_rank_are_refused() {
    let (a, b) = (Protected::new(Rank::vector(1, 1), 0), Protected::new(Rank::vector(1, 1), 0));
    assert_eq!(synchronize_set(&[a.member(), b.member()], |_| ()), Err(SyncError::LockOrder));
    assert_eq!(synchronize_set(&[a.member(), a.member()], |_| ()), Ok(()));
    assert_eq!(synchronize_set(&[a.member()], |held| held.state(&b).is_none()), Ok(true));
}

#[test]
fn r12_a_member_poisoned_while_the_set_waited_is_told() {
    let (a, b) = (Arc::new(lock(0_u64)), Arc::new(lock(0_u64)));
    let (first, second) = (a.clone(), b.clone());
    let (inside, entered) = mpsc::channel();
    let (leave, told) = mpsc::channel();
    let dying = std::thread::spawn(move || {
        second.synchronize(|_| {
            inside.send(()).unwrap();
            told.recv_timeout(PATIENCE).unwrap();
            panic!("on purpose")
        })
    });
    entered.recv_timeout(PATIENCE).unwrap();
    let waiter = std::thread::spawn(move || {
        let refused = synchronize_set(&[b.member(), first.member()], |_| ());
        (refused, first.is_poisoned())
    });
    // It has the first and waits for the second.
    support::eventually("the set is half taken", || a.try_synchronize(|_| ()) == Err(SyncError::TimedOut));
    leave.send(()).unwrap();
    assert!(dying.join().is_err());
    assert_eq!(returns("a set", move || waiter.join().unwrap()), (Err(SyncError::Poisoned), false));
    assert_eq!(a.synchronize(|_| ()), Ok(()));
}
