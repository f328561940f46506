//! The device's side of a queue, in either layout.

use dirql::Iova;
use dirql::backend::model::{Bus, Fault};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// What was agreed on, as far as rings go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    pub packed: bool,
    pub events: bool,
    pub indirect: bool,
}

/// A chain that the driver made available.
#[derive(Debug, Clone, Default)]
pub struct Element {
    pub id: u16,
    /// Entries of a packed ring.
    pub entries: u16,
    pub readable: Vec<(u64, u32)>,
    pub writable: Vec<(u64, u32)>,
    /// The chain was in a table.
    pub was_indirect: bool,
}

impl Element {
    pub fn read(&self, bus: &Bus) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        for &(at, len) in &self.readable {
            let mut part = vec![0; len as usize];
            bus.dma_read(Iova(at), &mut part)?;
            all.extend(part);
        }
        Ok(all)
    }

    pub fn room(&self) -> usize {
        self.writable.iter().map(|&(_, len)| len as usize).sum()
    }

    /// Writes `bytes`, as far as there is room, and gives how many were.
    pub fn write(&self, bus: &Bus, bytes: &[u8]) -> Result<usize, Fault> {
        let mut left = bytes;
        for &(at, len) in &self.writable {
            let (now, later) = left.split_at(left.len().min(len as usize));
            bus.dma_write(Iova(at), now)?;
            left = later;
        }
        Ok(bytes.len() - left.len())
    }
}

/// A queue as its registers describe it, and how far the device is.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Entries at most.
    pub most: u16,
    pub size: u16,
    pub vector: u16,
    pub enabled: bool,
    pub descriptors: u64,
    pub driver: u64,
    pub device: u64,
    /// Doorbells heard.
    pub rung: u64,
    /// Chains taken.
    pub popped: u64,
    /// More chains came back than were taken.
    pub overdrawn: bool,
    /// Of the next entry to be taken, and to be used: free-running, or with the wrap counter in bit 15.
    available: u16,
    used: u16,
    /// Where `used` was at the last look whether the driver wants an interrupt.
    signalled: u16,
}

impl Queue {
    pub fn new(most: u16) -> Self {
        Self {
            most,
            size: most,
            vector: 0xffff,
            enabled: false,
            descriptors: 0,
            driver: 0,
            device: 0,
            rung: 0,
            popped: 0,
            overdrawn: false,
            available: 0,
            used: 0,
            signalled: 0,
        }
    }

    pub fn enable(&mut self, layout: Layout) {
        let start = if layout.packed { 1 << 15 } else { 0 };
        (self.available, self.used, self.signalled) = (start, start, start);
        (self.enabled, self.overdrawn) = (true, false);
    }

    /// The next chain, if there is one.
    pub fn pop(&mut self, bus: &Bus, layout: Layout) -> Result<Option<Element>, Fault> {
        if !self.enabled {
            return Ok(None);
        }
        let element =
            if layout.packed { self.pop_packed(bus, layout)? } else { self.pop_split(bus, layout)? };
        self.popped += u64::from(element.is_some());
        Ok(element)
    }

    fn pop_split(&mut self, bus: &Bus, layout: Layout) -> Result<Option<Element>, Fault> {
        if word(bus, self.driver + 2)? == self.available {
            return Ok(None);
        }
        let head = word(bus, self.driver + 4 + 2 * u64::from(self.available % self.size))?;
        self.available = self.available.wrapping_add(1);
        let mut element = Element { id: head, entries: 1, ..Element::default() };
        let (mut base, mut at) = (self.descriptors, head);
        loop {
            assert!(
                element.readable.len() + element.writable.len() < self.size.into(),
                "a chain longer than its queue"
            );
            let [address, rest] = descriptor(bus, base, at)?;
            let (len, flags, next) = (rest as u32, (rest >> 32) as u16, (rest >> 48) as u16);
            if flags & INDIRECT != 0 {
                assert!(layout.indirect, "a table that was not agreed on");
                element.was_indirect = true;
                (base, at) = (address, 0);
                continue;
            }
            add(&mut element, address, len, flags);
            if flags & NEXT == 0 {
                break;
            }
            at = next;
        }
        Ok(Some(element))
    }

    fn pop_packed(&mut self, bus: &Bus, layout: Layout) -> Result<Option<Element>, Fault> {
        let mut element = Element::default();
        loop {
            let (at, wrap) = (self.available & 0x7fff, self.available >> 15 != 0);
            let [address, rest] = descriptor(bus, self.descriptors, at)?;
            let (len, id, flags) = (rest as u32, (rest >> 32) as u16, (rest >> 48) as u16);
            if (flags & AVAIL != 0) != wrap || (flags & USED != 0) == wrap {
                assert_eq!(element.entries, 0, "a chain is the device's as a whole");
                return Ok(None);
            }
            self.available = advance(self.available, 1, self.size);
            element.entries += 1;
            element.id = id;
            if flags & INDIRECT != 0 {
                assert!(layout.indirect, "a table that was not agreed on");
                element.was_indirect = true;
                for entry in 0..(len / 16) as u16 {
                    let [address, rest] = descriptor(bus, address, entry)?;
                    add(&mut element, address, rest as u32, (rest >> 48) as u16);
                }
            } else {
                add(&mut element, address, len, flags);
            }
            if flags & NEXT == 0 {
                return Ok(Some(element));
            }
        }
    }

    /// Gives chains back, all at once, with the bytes that were written to each.
    pub fn push(&mut self, bus: &Bus, layout: Layout, done: &[(Element, u32)]) -> Result<(), Fault> {
        if layout.packed {
            return self.push_packed(bus, done);
        }
        for (element, written) in done {
            let at = self.device + 4 + 8 * u64::from(self.used % self.size);
            assert!(
                at % 4096 <= 4088,
                "an entry across the end of a page, which some devices write elsewhere"
            );
            bus.dma_write(Iova(at), &[u32::from(element.id).to_le_bytes(), written.to_le_bytes()].concat())?;
            self.used = self.used.wrapping_add(1);
        }
        bus.dma_write(Iova(self.device + 2), &self.used.to_le_bytes())
    }

    fn push_packed(&mut self, bus: &Bus, done: &[(Element, u32)]) -> Result<(), Fault> {
        let mut marks = Vec::new();
        for (element, written) in done {
            let at = self.descriptors + 16 * u64::from(self.used & 0x7fff);
            bus.dma_write(Iova(at + 8), &written.to_le_bytes())?;
            bus.dma_write(Iova(at + 12), &element.id.to_le_bytes())?;
            let flags = if self.used >> 15 != 0 { AVAIL | USED } else { 0 };
            marks.push((at + 14, flags));
            self.used = advance(self.used, element.entries, self.size);
        }
        // The first one last: all of them are used at once.
        marks.iter().rev().try_for_each(|(at, flags)| bus.dma_write(Iova(*at), &flags.to_le_bytes()))
    }

    /// Whether the driver wants an interrupt for what was used since the last time it was asked.
    pub fn wants_interrupt(&mut self, bus: &Bus, layout: Layout) -> Result<bool, Fault> {
        let old = std::mem::replace(&mut self.signalled, self.used);
        if !layout.packed {
            if !layout.events {
                return Ok(word(bus, self.driver)? & 1 == 0);
            }
            let event = word(bus, self.driver + 4 + 2 * u64::from(self.size))?;
            return Ok(passed(event.into(), self.used.into(), old.into(), 1 << 16));
        }
        let (event, flags) = (word(bus, self.driver)?, word(bus, self.driver + 2)?);
        Ok(match flags & 3 {
            1 => false,
            2 if layout.events => {
                let linear = |off_wrap: u16| {
                    let round = if off_wrap >> 15 != 0 { 0 } else { u32::from(self.size) };
                    round + u32::from(off_wrap & 0x7fff)
                };
                passed(linear(event), linear(self.used), linear(old), 2 * u32::from(self.size))
            }
            _ => true,
        })
    }

    /// Says whether the device wants to hear of more.
    pub fn ask_for_bells(&mut self, bus: &Bus, layout: Layout, on: bool) -> Result<(), Fault> {
        if layout.packed {
            let (event, flags) = match (on, layout.events) {
                (false, _) => (0, 1_u16),
                (true, false) => (0, 0),
                (true, true) => (self.available, 2),
            };
            bus.dma_write(Iova(self.device), &event.to_le_bytes())?;
            return bus.dma_write(Iova(self.device + 2), &flags.to_le_bytes());
        }
        if layout.events {
            if on {
                let at = self.device + 4 + 8 * u64::from(self.size);
                bus.dma_write(Iova(at), &self.available.to_le_bytes())?;
            }
            return Ok(());
        }
        bus.dma_write(Iova(self.device), &u16::from(!on).to_le_bytes())
    }
}

fn add(element: &mut Element, address: u64, len: u32, flags: u16) {
    if flags & WRITE != 0 {
        element.writable.push((address, len));
    } else {
        assert!(element.writable.is_empty(), "what is read comes first");
        element.readable.push((address, len));
    }
}

/// Whether, on a circle of so many places, `event` is among those from `old` up to and without `new`.
fn passed(event: u32, new: u32, old: u32, circle: u32) -> bool {
    (event + circle - old) % circle < (new + circle - old) % circle
}

/// A position with its wrap counter, further on.
fn advance(position: u16, by: u16, size: u16) -> u16 {
    let (at, wrap) = ((position & 0x7fff) + by, position & 1 << 15);
    if at >= size { (at - size) | (wrap ^ 1 << 15) } else { at | wrap }
}

fn word(bus: &Bus, at: u64) -> Result<u16, Fault> {
    let mut bytes = [0; 2];
    bus.dma_read(Iova(at), &mut bytes)?;
    Ok(u16::from_le_bytes(bytes))
}

fn descriptor(bus: &Bus, base: u64, index: u16) -> Result<[u64; 2], Fault> {
    let mut words = [0; 2];
    for (word, offset) in words.iter_mut().zip([0, 8]) {
        let mut bytes = [0; 8];
        bus.dma_read(Iova(base + 16 * u64::from(index) + offset), &mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    Ok(words)
}
