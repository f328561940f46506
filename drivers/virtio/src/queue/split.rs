//! The split layout: a table of descriptors, a ring of chains for the device, a ring of those that it has used.
//!
//! Source: VIRTIO 1.2, 2.7.

use dirql::dma::{Dma, Shared, barrier};
use dirql::{Iova, Result};

use super::chain::{Chain, Lie, Slot, Used};
use super::event::is_passed;
use super::indirect::Tables;
use crate::transport::Areas;

/// Descriptor: goes on with the one that `next` names.
const NEXT: u64 = 1;
/// Descriptor: the device writes it.
const WRITE: u64 = 2;
/// Descriptor: is a table of descriptors.
const INDIRECT: u64 = 4;
/// avail.flags: no interrupts.
const NO_INTERRUPT: u16 = 1;
/// used.flags: no doorbells.
const NO_NOTIFY: u32 = 1;

/// Words of the available ring: flags and index come first.
const AVAILABLE_FLAGS: usize = 0;
const AVAILABLE_INDEX: usize = 1;
const AVAILABLE_RING: usize = 2;
/// Words of the used ring: flags and index share the first, entries have two. One word is left out before it, so that no
/// entry lies across the end of a page: QEMU before 9.0, behind an IOMMU, writes its second half to another address.
const USED_SKIPPED: usize = 1;
const USED_FLAGS_INDEX: usize = USED_SKIPPED;
const USED_RING: usize = USED_SKIPPED + 1;

/// A split ring.
#[derive(Debug)]
pub(super) struct Split<T> {
    descriptors: Shared<u64>,
    available: Shared<u16>,
    used: Shared<u32>,
    tables: Option<Tables>,
    slots: Vec<Slot<T>>,
    /// The first free descriptor, and how many there are.
    first_free: u16,
    free: u16,
    /// Entries minus one; a power of two of them.
    mask: u16,
    events: bool,
    /// Free-running indices: of the next chain to be added, at the last look whether the bell is wanted, of the next
    /// used chain to be taken, and how far the device was seen to be.
    next: u16,
    told: u16,
    taken: u16,
    seen: u16,
    outstanding: u16,
}

/// The second word of a descriptor: length, flags, next.
fn encode(len: u32, writable: bool, next: Option<u16>) -> u64 {
    let flags = if writable { WRITE } else { 0 } | if next.is_some() { NEXT } else { 0 };
    u64::from(len) | flags << 32 | u64::from(next.unwrap_or(0)) << 48
}

impl<T> Split<T> {
    pub fn new(dma: &Dma, size: u16, indirect: u16, events: bool) -> Result<Self> {
        let entries = usize::from(size);
        Ok(Self {
            descriptors: dma.shared(2 * entries)?,
            available: dma.shared(AVAILABLE_RING + entries + 1)?,
            used: dma.shared(USED_RING + 2 * entries + 1)?,
            tables: Tables::new(dma, size, indirect)?,
            slots: Slot::all(size),
            first_free: 0,
            free: size,
            mask: size - 1,
            events,
            next: 0,
            told: 0,
            taken: 0,
            seen: 0,
            outstanding: 0,
        })
    }

    pub fn areas(&self) -> Areas {
        Areas {
            size: self.size(),
            descriptors: self.descriptors.iova(),
            driver: self.available.iova(),
            device: Iova(self.used.iova().0 + 4 * USED_SKIPPED as u64),
        }
    }

    pub fn size(&self) -> u16 {
        self.slots.len() as u16
    }

    #[inline]
    pub fn free(&self) -> u16 {
        self.free
    }

    pub fn indices(&self) -> String {
        let Self { next, taken, outstanding, .. } = self;
        format!("available index {next}, used index {taken}, {outstanding} chains with the device")
    }

    #[inline]
    pub fn outstanding(&self) -> u16 {
        self.outstanding
    }

    #[inline]
    pub fn add(&mut self, chain: Chain<'_>, token: T) -> Result<(), T> {
        let head = self.first_free;
        let descriptors = match chain.single() {
            Some((segment, writable)) => {
                if self.free == 0 {
                    return Err(token);
                }
                self.set(head, segment.iova.0, encode(segment.len, writable, None));
                1
            }
            None => match self.add_long(&chain) {
                Some(descriptors) => descriptors,
                None => return Err(token),
            },
        };
        // The last descriptor is followed by the first that is still free.
        let mut tail = head;
        for _ in 1..descriptors {
            tail = self.slots[usize::from(tail)].next;
        }
        self.first_free = self.slots[usize::from(tail)].next;
        self.free -= descriptors;
        let slot = &mut self.slots[usize::from(head)];
        (slot.token, slot.capacity, slot.descriptors) = (Some(token), chain.capacity(), descriptors);
        self.available.store(AVAILABLE_RING + usize::from(self.next & self.mask), head);
        self.next = self.next.wrapping_add(1);
        self.outstanding += 1;
        Ok(())
    }

    /// Writes the descriptors of a chain that is not a single segment, and gives their number.
    fn add_long(&mut self, chain: &Chain<'_>) -> Option<u16> {
        let head = self.first_free;
        let len = u16::try_from(chain.len()).ok().filter(|&len| len > 0)?;
        if let Some(tables) = self.tables.as_mut().filter(|tables| tables.fits(chain)) {
            if self.free == 0 {
                return None;
            }
            let (table, bytes) = tables.write(head, chain, encode);
            self.set(head, table.0, u64::from(bytes) | INDIRECT << 32);
            return Some(1);
        }
        if self.free < len {
            return None;
        }
        let mut at = head;
        for ((segment, writable), left) in chain.segments().zip((0..len).rev()) {
            let next = self.slots[usize::from(at)].next;
            self.set(at, segment.iova.0, encode(segment.len, writable, (left > 0).then_some(next)));
            at = next;
        }
        Some(len)
    }

    #[inline]
    fn set(&mut self, index: u16, address: u64, rest: u64) {
        let word = 2 * usize::from(index);
        self.descriptors.store(word, address);
        self.descriptors.store(word + 1, rest);
    }

    #[inline]
    pub fn publish(&mut self) {
        self.available.store_release(AVAILABLE_INDEX, self.next);
    }

    #[inline]
    pub fn wants_bell(&mut self) -> bool {
        if self.told == self.next {
            return false;
        }
        // The device looks for more after it has asked to be told; here it is the other way round.
        barrier();
        let old = std::mem::replace(&mut self.told, self.next);
        if self.events {
            let event = self.used.load(USED_RING + 2 * self.slots.len()) as u16;
            is_passed(event, self.next, old)
        } else {
            self.used.load(USED_FLAGS_INDEX) & NO_NOTIFY == 0
        }
    }

    #[inline]
    fn used_index(&self) -> u16 {
        (self.used.load_acquire(USED_FLAGS_INDEX) >> 16) as u16
    }

    #[inline]
    pub fn is_pending(&self) -> bool {
        self.taken != self.seen || self.taken != self.used_index()
    }

    #[inline]
    pub fn are_pending(&self, chains: u16) -> bool {
        // An index that cannot be is found out by whoever takes the chains.
        self.used_index().wrapping_sub(self.taken) >= chains
    }

    #[inline]
    pub fn pop(&mut self) -> Result<Option<Used<T>>, Lie> {
        if self.taken == self.seen {
            let index = self.used_index();
            if index.wrapping_sub(self.taken) > self.outstanding {
                return Err(Lie::Index { from: self.taken, to: index, outstanding: self.outstanding });
            }
            self.seen = index;
            if self.taken == index {
                return Ok(None);
            }
        }
        let entry = USED_RING + 2 * usize::from(self.taken & self.mask);
        let (id, written) = (self.used.load(entry), self.used.load(entry + 1));
        let size = self.size();
        let Some(slot) = self.slots.get_mut(id as usize) else { return Err(Lie::Id { id, size }) };
        let head = id as u16;
        let Some(token) = slot.token.take() else { return Err(Lie::Id { id, size }) };
        if written > slot.capacity {
            let capacity = slot.capacity;
            slot.token = Some(token);
            return Err(Lie::Length { id: head, written, capacity });
        }
        let descriptors = slot.descriptors;
        let mut tail = head;
        for _ in 1..descriptors {
            tail = self.slots[usize::from(tail)].next;
        }
        self.slots[usize::from(tail)].next = self.first_free;
        self.first_free = head;
        self.free += descriptors;
        self.taken = self.taken.wrapping_add(1);
        self.outstanding -= 1;
        Ok(Some(Used { token, written }))
    }

    #[inline]
    pub fn arm(&mut self, after: u16) {
        if self.events {
            let event = self.taken.wrapping_add(after - 1);
            self.available.store(AVAILABLE_RING + self.slots.len(), event);
        } else {
            self.available.store(AVAILABLE_FLAGS, 0);
        }
    }

    #[inline]
    pub fn disarm(&mut self) {
        if self.events {
            // Just passed, so that it is not passed again before the index has run around.
            let event = self.taken.wrapping_sub(1);
            self.available.store(AVAILABLE_RING + self.slots.len(), event);
        } else {
            self.available.store(AVAILABLE_FLAGS, NO_INTERRUPT);
        }
    }

    pub fn reclaim(&mut self) -> Vec<T> {
        let tokens = self.slots.iter_mut().filter_map(|slot| slot.token.take()).collect();
        let size = self.size();
        self.slots = Slot::all(size);
        (self.first_free, self.free, self.outstanding) = (0, size, 0);
        (self.next, self.told, self.taken, self.seen) = (0, 0, 0, 0);
        (0..self.available.len()).for_each(|word| self.available.store(word, 0));
        (0..self.used.len()).for_each(|word| self.used.store(word, 0));
        tokens
    }
}
