//! Which addresses are mapped BARs, and whose: read by the SIGBUS handler, so without a lock or an allocation.
//!
//! A list of nodes that only grows; a node whose mapping has gone serves the next one. Each node is a sequence lock: its
//! version is odd while nobody may read it.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use crate::presence::Presence;

/// The node that was made last. Nodes are never freed.
static LAST: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());

#[derive(Debug)]
struct Node {
    /// The node that was made before: fixed once the node is in the list.
    next: AtomicPtr<Node>,
    /// Somebody's: only it changes the node.
    taken: AtomicBool,
    version: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    presence: AtomicPtr<Presence>,
}

impl Node {
    /// A free node, which is the caller's now.
    fn take() -> &'static Self {
        if let Some(free) = all().find(|node| !node.taken.swap(true, Ordering::Acquire)) {
            return free;
        }
        let node: &'static Self = Box::leak(Box::new(Self {
            next: AtomicPtr::new(ptr::null_mut()),
            taken: AtomicBool::new(true),
            version: AtomicUsize::new(1),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            presence: AtomicPtr::new(ptr::null_mut()),
        }));
        let mut last = LAST.load(Ordering::Acquire);
        loop {
            node.next.store(last, Ordering::Relaxed);
            let this = ptr::from_ref(node).cast_mut();
            match LAST.compare_exchange_weak(last, this, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return node,
                Err(other) => last = other,
            }
        }
    }

    /// Says what the node stands for. Its version is odd.
    fn fill(&self, range: &Range<usize>, presence: *const Presence) {
        // Whoever sees one of these sees the odd version too.
        fence(Ordering::Release);
        self.start.store(range.start, Ordering::Relaxed);
        self.end.store(range.end, Ordering::Relaxed);
        self.presence.store(presence.cast_mut(), Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Stands for nothing any more, and is free.
    fn clear(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.taken.store(false, Ordering::Release);
    }

    /// The device whose mapping holds `address`, if it is this node's.
    fn device_at(&self, address: usize) -> Option<*const Presence> {
        let version = self.version.load(Ordering::Acquire);
        let range = self.start.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed);
        let presence = self.presence.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let stood_still = version.is_multiple_of(2) && version == self.version.load(Ordering::Relaxed);
        (stood_still && range.contains(&address)).then_some(presence.cast_const())
    }
}

fn all() -> impl Iterator<Item = &'static Node> {
    let follow = |at: &AtomicPtr<Node>| {
        let next = at.load(Ordering::Acquire);
        // SAFETY: what the list holds was leaked by `take`, so it lives for ever, and is shared as `&Node` only.
        unsafe { next.as_ref() }
    };
    std::iter::successors(follow(&LAST), move |node| follow(&node.next))
}

/// A mapping that the SIGBUS handler knows, for as long as this lives: shorter than the mapping.
#[derive(Debug)]
pub struct Registered {
    node: &'static Node,
    /// What the node points to.
    _presence: Arc<Presence>,
}

impl Registered {
    pub fn new(range: &Range<usize>, presence: Arc<Presence>) -> Self {
        let node = Node::take();
        node.fill(range, Arc::as_ptr(&presence));
        Self { node, _presence: presence }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.node.clear();
    }
}

/// The device in whose mapping this thread has just faulted at `address`; none for what was a parent's, whose mappings
/// a child has not. Safe in a signal handler.
///
/// # Safety
/// The caller interrupts the access, and uses the answer only until that goes on.
pub unsafe fn faulted<'a>(address: usize) -> Option<&'a Presence> {
    all()
        .filter_map(|node| node.device_at(address))
        // SAFETY: whoever accesses a mapping keeps it, so it keeps the `Registered` beside it, and that the presence. The
        // access stands still until the handler returns. What else is found there is a parent's, which a child forgets
        // and never frees.
        .filter_map(|presence| unsafe { presence.as_ref() })
        .find(|presence| !presence.is_forked())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_while_its_mapping_is_registered() {
        // Addresses that no mapping of this process has.
        let (first, second) = (0x1000..0x3000, 0x3000..0x4000);
        let presences = [Arc::new(Presence::new()), Arc::new(Presence::new())];
        let one = Registered::new(&first, presences[0].clone());
        let two = Registered::new(&second, presences[1].clone());
        // SAFETY: both presences outlive the look.
        let device = |address| unsafe { faulted(address) }.map(ptr::from_ref);
        assert_eq!(device(0x0fff), None);
        assert_eq!(device(0x1000), Some(Arc::as_ptr(&presences[0])));
        assert_eq!(device(0x2fff), Some(Arc::as_ptr(&presences[0])));
        assert_eq!(device(0x3000), Some(Arc::as_ptr(&presences[1])));
        assert_eq!(device(0x4000), None);
        drop(one);
        assert_eq!(device(0x1000), None);
        assert_eq!(device(0x3fff), Some(Arc::as_ptr(&presences[1])));
        drop(two);
        assert_eq!(device(0x3000), None);
    }

    #[test]
    fn r30_a_childs_mapping_is_found_where_a_parents_was() {
        let range = 0x7000..0x8000;
        let spare = Registered::new(&(0x6000..0x7000), Arc::new(Presence::new()));
        let _parents = Registered::new(&range, Arc::new(Presence::new()));
        // The child's comes behind the parent's in the list.
        drop(spare);
        // SAFETY: the child allocates a little, as the allocator allows it, and ends by `_exit`.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: both presences outlive the look.
                let device = || unsafe { faulted(0x7000) }.map(ptr::from_ref);
                let forgotten = device().is_none();
                let presence = Arc::new(Presence::new());
                let _childs = Registered::new(&range, presence.clone());
                let found = device() == Some(Arc::as_ptr(&presence));
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(if forgotten && found { 0 } else { 1 }) };
            }
            child => {
                let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
                assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
            }
        }
    }

    #[test]
    fn nodes_are_used_again() {
        let presence = Arc::new(Presence::new());
        let count = || all().count();
        drop(Registered::new(&(0x5000..0x6000), presence.clone()));
        let before = count();
        for _ in 0..1000 {
            drop(Registered::new(&(0x5000..0x6000), presence.clone()));
        }
        // Other tests of this process take nodes too, but not a thousand.
        assert!(count() < before + 500, "{} nodes became {}", before, count());
    }
}
