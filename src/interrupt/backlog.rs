//! Interrupts that are kept while nobody may be called: the vector is inactive, or poisoned.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

    /// Lets delivery go on: true for whoever ends a time of inactivity. Then it takes what is kept.
    pub fn activate(&self) -> bool {
        self.inactive.swap(false, Ordering::AcqRel)
    }

    pub fn is_inactive(&self) -> bool {
        self.inactive.load(Ordering::Acquire)
    }

    /// Keeps `count` interrupts. True where delivery has begun again meanwhile: then the caller takes what is kept.
    pub fn keep(&self, count: u64, deliverable: impl FnOnce() -> bool) -> bool {
        self.kept.fetch_add(count, Ordering::AcqRel);
        deliverable()
    }

    /// Everything that is kept, for whoever delivers it.
    pub fn take(&self) -> u64 {
        self.kept.swap(0, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r21_what_is_kept_is_taken_once() {
        let backlog = Backlog::default();
        assert!(!backlog.activate());
        backlog.deactivate();
        assert!(!backlog.keep(2, || !backlog.is_inactive()));
        assert!(!backlog.keep(3, || !backlog.is_inactive()));
        assert!(backlog.activate() && !backlog.activate());
        assert_eq!((backlog.take(), backlog.take()), (5, 0));
        assert!(backlog.keep(1, || !backlog.is_inactive()));
        assert_eq!(backlog.take(), 1);
    }
}
