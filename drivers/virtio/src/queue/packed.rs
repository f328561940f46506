//! The packed layout: one ring of descriptors, that either side turns over to the other by two bits in it.
//!
//! Source: VIRTIO 1.2, 2.8.

use dirql::Result;
use dirql::dma::{Dma, Shared, barrier};

use super::chain::{Chain, Lie, Slot, Used};
use super::event::is_passed;
use super::indirect::Tables;
use crate::transport::Areas;

/// Descriptor: the chain goes on with the next one.
const NEXT: u16 = 1 << 0;
/// Descriptor: the device writes it.
const WRITE: u16 = 1 << 1;
/// Descriptor: is a table of descriptors.
const INDIRECT: u16 = 1 << 2;
/// Descriptor: as the wrap counter of who made it available has it.
const AVAIL: u16 = 1 << 7;
/// Descriptor: as the wrap counter of who used it has it.
const USED: u16 = 1 << 15;

/// Event suppression: always.
const ENABLE: u32 = 0;
/// Event suppression: never.
const DISABLE: u32 = 1;
/// Event suppression: at one descriptor.
const DESC: u32 = 2;

/// A place in the ring, and the wrap counter there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    at: u16,
    wrap: bool,
}

impl Position {
    const START: Self = Self { at: 0, wrap: true };

    #[inline]
    fn advance(self, by: u16, size: u16) -> Self {
        // Neither is more than 32768.
        let at = u32::from(self.at) + u32::from(by);
        match at.checked_sub(size.into()) {
            Some(at) => Self { at: at as u16, wrap: !self.wrap },
            None => Self { at: at as u16, wrap: self.wrap },
        }
    }

    /// As event suppression has it.
    #[inline]
    fn off_wrap(self) -> u32 {
        u32::from(self.at) | u32::from(self.wrap) << 15
    }
}

/// A packed ring.
#[derive(Debug)]
pub(super) struct Packed<T> {
    descriptors: Shared<u64>,
    driver: Shared<u32>,
    device: Shared<u32>,
    tables: Option<Tables>,
    /// By the chain's number, which is any that is free.
    slots: Vec<Slot<T>>,
    first_free: u16,
    /// Descriptors.
    free: u16,
    size: u16,
    events: bool,
    next: Position,
    /// Descriptors that were added since the last look whether the bell is wanted.
    untold: u16,
    taken: Position,
    outstanding: u16,
}

/// The second word of a descriptor: length, number, flags.
#[inline]
fn encode(len: u32, id: u16, flags: u16) -> u64 {
    u64::from(len) | u64::from(id) << 32 | u64::from(flags) << 48
}

impl<T> Packed<T> {
    pub fn new(dma: &Dma, size: u16, indirect: u16, events: bool) -> Result<Self> {
        Ok(Self {
            descriptors: dma.shared(2 * usize::from(size))?,
            driver: dma.shared(1)?,
            device: dma.shared(1)?,
            tables: Tables::new(dma, size, indirect)?,
            slots: Slot::all(size),
            first_free: 0,
            free: size,
            size,
            events,
            next: Position::START,
            untold: 0,
            taken: Position::START,
            outstanding: 0,
        })
    }

    pub fn areas(&self) -> Areas {
        Areas {
            size: self.size,
            descriptors: self.descriptors.iova(),
            driver: self.driver.iova(),
            device: self.device.iova(),
        }
    }

    pub fn size(&self) -> u16 {
        self.size
    }

    #[inline]
    pub fn free(&self) -> u16 {
        self.free
    }

    pub fn indices(&self) -> String {
        let (next, taken) = (self.next.at, self.taken.at);
        format!(
            "next descriptor {next}, used descriptor {taken}, {} chains with the device",
            self.outstanding
        )
    }

    #[inline]
    pub fn outstanding(&self) -> u16 {
        self.outstanding
    }

    #[inline]
    pub fn add(&mut self, chain: Chain<'_>, token: T) -> Result<(), T> {
        let id = self.first_free;
        let descriptors = match chain.single() {
            Some((segment, writable)) => {
                if self.free == 0 {
                    return Err(token);
                }
                let flags = if writable { WRITE } else { 0 };
                self.set(self.next, segment.iova.0, segment.len, id, flags);
                1
            }
            None => match self.add_long(id, &chain) {
                Some(descriptors) => descriptors,
                None => return Err(token),
            },
        };
        // A free descriptor means a free number: a chain has one of these and at least one of those.
        let slot = &mut self.slots[usize::from(id)];
        self.first_free = slot.next;
        (slot.token, slot.capacity, slot.descriptors) = (Some(token), chain.capacity(), descriptors);
        self.next = self.next.advance(descriptors, self.size);
        self.free -= descriptors;
        self.untold = self.untold.saturating_add(descriptors);
        self.outstanding += 1;
        Ok(())
    }

    /// Writes the descriptors of a chain that is not a single segment, and gives their number.
    fn add_long(&mut self, id: u16, chain: &Chain<'_>) -> Option<u16> {
        let len = u16::try_from(chain.len()).ok().filter(|&len| len > 0)?;
        if let Some(tables) = self.tables.as_mut().filter(|tables| tables.fits(chain)) {
            if self.free == 0 {
                return None;
            }
            let (table, bytes) =
                tables.write(id, chain, |len, writable, _| encode(len, 0, if writable { WRITE } else { 0 }));
            self.set(self.next, table.0, bytes, id, INDIRECT);
            return Some(1);
        }
        if self.free < len {
            return None;
        }
        // The first one last: it makes the whole chain the device's.
        let parts = || chain.segments().enumerate();
        for (index, (segment, writable)) in parts().skip(1).chain(parts().take(1)) {
            let index = index as u16;
            let flags = if writable { WRITE } else { 0 } | if index + 1 < len { NEXT } else { 0 };
            self.set(self.next.advance(index, self.size), segment.iova.0, segment.len, id, flags);
        }
        Some(len)
    }

    /// Writes a descriptor; with its second word it is the device's.
    #[inline]
    fn set(&mut self, position: Position, address: u64, len: u32, id: u16, flags: u16) {
        let word = 2 * usize::from(position.at);
        let turned = if position.wrap { AVAIL } else { USED };
        self.descriptors.store(word, address);
        self.descriptors.store_release(word + 1, encode(len, id, flags | turned));
    }

    /// Nothing to do: a descriptor is the device's once it is written.
    #[inline]
    pub fn publish(&mut self) {}

    #[inline]
    pub fn wants_bell(&mut self) -> bool {
        let added = std::mem::take(&mut self.untold);
        if added == 0 {
            return false;
        }
        barrier();
        let event = self.device.load(0);
        match event >> 16 & 3 {
            DISABLE => false,
            DESC if self.events => {
                let (at, wrap) = (event as u16 & 0x7fff, event & 1 << 15 != 0);
                // As an index that runs on to here: what has the other wrap counter was a round ago.
                let at = if wrap == self.next.wrap { at } else { at.wrapping_sub(self.size) };
                is_passed(at, self.next.at, self.next.at.wrapping_sub(added))
            }
            _ => true,
        }
    }

    /// The second word of the descriptor that is used next, if it is.
    #[inline]
    fn used(&self) -> Option<u64> {
        if self.outstanding == 0 { None } else { self.used_at(self.taken) }
    }

    /// The second word of a descriptor, if it was used.
    #[inline]
    fn used_at(&self, position: Position) -> Option<u64> {
        let word = self.descriptors.load_acquire(2 * usize::from(position.at) + 1);
        let flags = (word >> 48) as u16;
        let (avail, used) = (flags & AVAIL != 0, flags & USED != 0);
        (avail == used && used == position.wrap).then_some(word)
    }

    #[inline]
    pub fn are_pending(&self, chains: u16) -> bool {
        // Descriptors are used one after the other, whichever chains they are of.
        chains <= self.outstanding && self.used_at(self.taken.advance(chains - 1, self.size)).is_some()
    }

    #[inline]
    pub fn is_pending(&self) -> bool {
        self.used().is_some()
    }

    #[inline]
    pub fn pop(&mut self) -> Result<Option<Used<T>>, Lie> {
        let Some(word) = self.used() else { return Ok(None) };
        let (written, id) = (word as u32, (word >> 32) as u16);
        let lie = Lie::Id { id: id.into(), size: self.size };
        let slot = self.slots.get_mut(usize::from(id)).ok_or(lie)?;
        let token = slot.token.take().ok_or(lie)?;
        if written > slot.capacity {
            let capacity = slot.capacity;
            slot.token = Some(token);
            return Err(Lie::Length { id, written, capacity });
        }
        slot.next = self.first_free;
        self.first_free = id;
        self.free += slot.descriptors;
        self.taken = self.taken.advance(slot.descriptors, self.size);
        self.outstanding -= 1;
        Ok(Some(Used { token, written }))
    }

    #[inline]
    pub fn arm(&mut self, after: u16) {
        let event = if self.events {
            // Chains of one descriptor are what so many are waited for of; with longer ones it comes earlier.
            self.taken.advance(after - 1, self.size).off_wrap() | DESC << 16
        } else {
            ENABLE << 16
        };
        self.driver.store(0, event);
    }

    #[inline]
    pub fn disarm(&mut self) {
        self.driver.store(0, DISABLE << 16);
    }

    pub fn reclaim(&mut self) -> Vec<T> {
        let tokens = self.slots.iter_mut().filter_map(|slot| slot.token.take()).collect();
        self.slots = Slot::all(self.size);
        (self.first_free, self.free, self.outstanding, self.untold) = (0, self.size, 0, 0);
        (self.next, self.taken) = (Position::START, Position::START);
        (0..self.descriptors.len()).for_each(|word| self.descriptors.store(word, 0));
        self.driver.store(0, 0);
        self.device.store(0, 0);
        tokens
    }
}
