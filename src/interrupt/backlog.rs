//! Interrupts that are kept while nobody may be called: the vector is inactive, or poisoned.

use super::sync::{AtomicBool, AtomicU64, Ordering};

/// What came while the handler could not be called, to be delivered as one call.
///
/// Whoever keeps looks once more whether delivery has begun again, and whoever begins it again takes what is kept:
/// both are read-modify-writes of one counter, so one of the two sees the other, and each interrupt is delivered once.
#[derive(Debug, Default)]
pub struct Backlog {
    inactive: AtomicBool,
    kept: AtomicU64,
}

impl Backlog {
    /// Stops delivery; the caller is in the section.
    pub fn deactivate(&self) {
        self.inactive.store(true, Ordering::Release);
    }

    /// Lets delivery go on; whoever ends a time of inactivity has it `resumed`, with what is kept.
    pub fn activate<E>(&self, resumed: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if cfg!(mutation = "taken_before_active") {
            let outcome = if self.is_inactive() { resumed() } else { Ok(()) };
            self.inactive.store(false, Ordering::Release);
            return outcome;
        }
        if self.inactive.swap(false, Ordering::AcqRel) { resumed() } else { Ok(()) }
    }

    pub fn is_inactive(&self) -> bool {
        self.inactive.load(Ordering::Acquire)
    }

    /// Keeps `count` interrupts. True where delivery has begun again meanwhile: then the caller takes what is kept.
    pub fn keep(&self, count: u64, deliverable: impl FnOnce() -> bool) -> bool {
        self.kept.fetch_add(count, Ordering::AcqRel);
        !cfg!(mutation = "kept_unchecked") && deliverable()
    }

    /// Everything that is kept, for whoever delivers it.
    pub fn take(&self) -> u64 {
        if cfg!(mutation = "taken_in_two_steps") {
            let kept = self.kept.load(Ordering::Acquire);
            self.kept.store(0, Ordering::Release);
            return kept;
        }
        self.kept.swap(0, Ordering::AcqRel)
    }
}
