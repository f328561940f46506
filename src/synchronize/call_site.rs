//! Where in the source a section was asked for, in one word.

use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A place in the source, or none, that one thread writes and others read.
#[derive(Debug, Default)]
pub struct CallSiteCell(AtomicPtr<Location<'static>>);

impl CallSiteCell {
    /// One plain store.
    #[inline]
    pub fn set(&self, site: &'static Location<'static>) {
        self.0.store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    #[inline]
    pub fn clear(&self) {
        self.0.store(ptr::null_mut(), Ordering::Relaxed);
    }

    pub fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: the pointer is null, or was made in `set` from a reference that is valid for ever; a `Location`
        // never changes, and whoever writes through the pointer would have to write unsafe code for it.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_place() {
        let cell = CallSiteCell::default();
        assert_eq!(cell.get(), None);
        let here = Location::caller();
        cell.set(here);
        assert_eq!(cell.get(), Some(here));
        cell.clear();
        assert_eq!(cell.get(), None);
    }
}
