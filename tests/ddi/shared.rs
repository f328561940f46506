//! State that sees whether handler and routines overlap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dirql::interrupt::{Event, Handled};
use dirql::synchronize::SyncError;

use crate::support::eventually;

/// How often a handler is called for and a routine run, for each of two threads.
pub const ROUNDS: u64 = 10_000;

/// Sees whether anybody else is inside, whatever lock they hold.
#[derive(Debug, Default)]
pub struct Witness {
    inside: AtomicU64,
    pub overlaps: AtomicU64,
    pub passed: AtomicU64,
}

impl Witness {
    pub fn pass(&self) {
        let others = self.inside.fetch_add(1, Ordering::SeqCst);
        self.overlaps.fetch_add(others, Ordering::SeqCst);
        (0..20).for_each(|_| std::hint::spin_loop());
        if self.passed.fetch_add(1, Ordering::SeqCst).is_multiple_of(64) {
            std::thread::yield_now();
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What handler and routine share: their plain counts, and the same witness.
#[derive(Debug)]
pub struct Shared {
    pub handled: u64,
    synchronized: u64,
    pub witness: Arc<Witness>,
}

impl Shared {
    pub fn new() -> (Self, Arc<Witness>) {
        let witness = Arc::<Witness>::default();
        (Self { handled: 0, synchronized: 0, witness: witness.clone() }, witness)
    }
}

pub fn handler(shared: &mut Shared, event: Event<'_>) -> Handled {
    shared.witness.pass();
    shared.handled += event.count;
    Handled::Yes
}

/// Whether it was called an odd number of times; in the context, how often the handler was until now.
pub fn routine(shared: &mut Shared, handled: &mut u64) -> bool {
    shared.witness.pass();
    shared.synchronized += 1;
    *handled = shared.handled;
    shared.synchronized % 2 == 1
}

/// Two threads fire and synchronize at once: nothing overlaps, nothing is lost, and each result is the routine's.
pub fn exclusion(
    witness: &Witness,
    fire: impl Fn() + Sync,
    synchronize: impl Fn(&mut u64) -> Result<bool, SyncError> + Sync,
) {
    let odd = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut handled = 0;
                for _ in 0..ROUNDS {
                    fire();
                    odd.fetch_add(u64::from(synchronize(&mut handled).unwrap()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(odd.load(Ordering::Relaxed), ROUNDS, "every other one is odd");
    let (mut handled, mut further) = (0, 0);
    eventually("every interrupt is handled", || {
        further += 1;
        let was_odd = synchronize(&mut handled).unwrap();
        assert_eq!(was_odd, further % 2 == 1);
        handled == 2 * ROUNDS
    });
    assert_eq!(witness.overlaps.load(Ordering::SeqCst), 0);
    assert!(witness.passed.load(Ordering::SeqCst) > 2 * ROUNDS + further, "no handler ran");
}
