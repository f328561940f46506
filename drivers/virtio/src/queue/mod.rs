//! Queues: chains of memory go to the device, and come back used.
//!
//! A [`Queue`] has one of two layouts, `split` or `packed`, which the features decide; both do the same. What
//! the device can scribble on is read once, checked, and never followed: which chains are out, how long they are and
//! what comes after what is kept in this process's own memory. A device that says something impossible breaks its queue:
//! this and every later call tells what it said.
//!
//! Source: VIRTIO 1.2, 2.6 to 2.8.

mod chain;
mod event;
mod indirect;
mod packed;
mod split;

use dirql::dma::Dma;
use dirql::{Address, Error, ErrorKind, Iova, Result};

pub use self::chain::Segment;
use self::chain::{Chain, Lie, Used};
use self::packed::Packed;
use self::split::Split;
use crate::features::Features;
use crate::transport::{Doorbell, Transport};

/// What a queue is to be.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Its number.
    pub index: u16,
    /// Entries at most; the device may have fewer.
    pub size: u16,
    /// How many segments an indirect table holds; 0 for no such tables. They are used only where the device offers them.
    pub indirect: u16,
}

/// A queue, and for each chain that the device has, a `T`: what the chain's memory is.
#[derive(Debug)]
pub struct Queue<T> {
    address: Address,
    index: u16,
    ring: Ring<T>,
    doorbell: Option<Doorbell>,
    doorbells: u64,
    failure: Option<Error>,
}

#[derive(Debug)]
enum Ring<T> {
    Split(Split<T>),
    Packed(Packed<T>),
}

/// Does the same with either layout.
macro_rules! either {
    ($ring:expr, $name:ident => $what:expr) => {
        match $ring {
            Ring::Split($name) => $what,
            Ring::Packed($name) => $what,
        }
    };
}

impl<T> Queue<T> {
    /// A queue in memory, of which the device does not know yet.
    ///
    /// # Errors
    /// `NotFound` where the device has no such queue; as [`Dma::shared`].
    pub fn new(transport: &Transport, dma: &Dma, settings: Settings) -> Result<Self> {
        let Settings { index, size, indirect } = settings;
        let address = transport.address();
        let features = transport.features();
        let size = transport.queue_size(index)?.min(size);
        let packed = features.contains(Features::RING_PACKED);
        let size = match size {
            0 => {
                return Err(Error::new(ErrorKind::NotFound, format!("making of queue {index}"))
                    .on(address)
                    .why("the device has no such queue"));
            }
            // Indices of split rings run free, modulo a power of two.
            size if packed => size.min(1 << 15),
            size => 1 << size.min(1 << 15).ilog2(),
        };
        // No chain is longer than its queue, in a table neither (2.7.5.3.1).
        let indirect = if features.contains(Features::INDIRECT_DESC) { indirect.min(size) } else { 0 };
        let events = features.contains(Features::EVENT_IDX);
        let ring = if packed {
            Ring::Packed(Packed::new(dma, size, indirect, events)?)
        } else {
            Ring::Split(Split::new(dma, size, indirect, events)?)
        };
        Ok(Self { address, index, ring, doorbell: None, doorbells: 0, failure: None })
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Transport::enable_queue`].
    pub fn enable(&mut self, transport: &Transport, vector: Option<u16>) -> Result<()> {
        let areas = either!(&self.ring, ring => ring.areas());
        self.doorbell = Some(transport.enable_queue(self.index, &areas, vector)?);
        Ok(())
    }

    /// Its number.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// How many entries it has.
    pub fn size(&self) -> u16 {
        either!(&self.ring, ring => ring.size())
    }

    /// How many chains of one segment the device can still be given.
    #[inline]
    pub fn free(&self) -> u16 {
        either!(&self.ring, ring => ring.free())
    }

    /// How many chains the device has.
    #[inline]
    pub fn outstanding(&self) -> u16 {
        either!(&self.ring, ring => ring.outstanding())
    }

    /// Its indices in words, for what is said of a device that is silent.
    pub fn indices(&self) -> String {
        either!(&self.ring, ring => ring.indices())
    }

    /// How often its doorbell was rung.
    pub fn doorbells(&self) -> u64 {
        self.doorbells
    }

    /// Adds a chain of one segment that the device reads. It may look there once [`Queue::publish`] was called.
    ///
    /// # Errors
    /// The token, where the queue is full.
    #[inline]
    pub fn add_readable(&mut self, segment: Segment, token: T) -> Result<(), T> {
        either!(&mut self.ring, ring => ring.add(Chain::one(&segment, false), token))
    }

    /// Adds a chain of one segment that the device writes.
    ///
    /// # Errors
    /// As [`Queue::add_readable`].
    #[inline]
    pub fn add_writable(&mut self, segment: Segment, token: T) -> Result<(), T> {
        either!(&mut self.ring, ring => ring.add(Chain::one(&segment, true), token))
    }

    /// Adds a chain that the device reads the first part of, and writes the second.
    ///
    /// # Errors
    /// The token, where there is no room, or no segment.
    pub fn add(&mut self, readable: &[Segment], writable: &[Segment], token: T) -> Result<(), T> {
        either!(&mut self.ring, ring => ring.add(Chain { readable, writable }, token))
    }

    /// Makes everything that was added the device's. It does not hear of it yet.
    #[inline]
    pub fn publish(&mut self) {
        either!(&mut self.ring, ring => ring.publish());
    }

    /// Rings the doorbell, where something was published since the last time and the device wants to hear of it.
    ///
    /// # Errors
    /// Where the register cannot be written.
    #[inline]
    pub fn notify(&mut self) -> Result<()> {
        if either!(&mut self.ring, ring => ring.wants_bell()) {
            return self.ring();
        }
        Ok(())
    }

    #[inline]
    fn ring(&mut self) -> Result<()> {
        let Some(doorbell) = &self.doorbell else { return Ok(()) };
        self.doorbells += 1;
        doorbell.ring()
    }

    /// Has a device go on that may have stopped serving the queue. Gives back what it has not served, where it has to start
    /// anew for that.
    ///
    /// With packed rings it does: what QEMU drops while its cable is out it counts below zero, and finds the queue
    /// impossibly full afterwards.
    ///
    /// # Errors
    /// As [`Transport::reset_queue`] and [`Queue::enable`].
    pub fn resume(&mut self, transport: &Transport, vector: Option<u16>) -> Result<Vec<T>> {
        let resets = transport.features().contains(Features::RING_RESET);
        if !resets || matches!(self.ring, Ring::Split(_)) {
            return self.ring().map(|()| vec![]);
        }
        transport.reset_queue(self.index)?;
        let unserved = self.reclaim();
        self.enable(transport, vector)?;
        Ok(unserved)
    }

    /// Takes the next chain back that the device is done with: its token, and how many bytes the device says to have
    /// written.
    ///
    /// # Errors
    /// `Device` where the device says what cannot be, now or earlier.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<(T, u32)>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let used = either!(&mut self.ring, ring => ring.pop());
        used.map(|used| used.map(|Used { token, written }| (token, written))).map_err(|lie| self.broken(lie))
    }

    #[cold]
    fn broken(&mut self, lie: Lie) -> Error {
        let failure = Error::new(ErrorKind::Device, format!("completion in queue {}", self.index))
            .on(self.address)
            .why(lie.to_string());
        self.failure = Some(failure.clone());
        failure
    }

    /// Whether the device is done with a chain that was not taken back yet.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.failure.is_some() || either!(&self.ring, ring => ring.is_pending())
    }

    /// Whether the device is done with so many chains that were not taken back yet, each of one descriptor.
    #[inline]
    pub fn are_pending(&self, chains: u16) -> bool {
        self.failure.is_some() || either!(&self.ring, ring => ring.are_pending(chains.max(1)))
    }

    /// Asks for an interrupt once the device is done with `after` more chains: at least one, and no more than it has.
    /// Without the event index it comes with the first. Ends with a full barrier: what became pending before it is seen by
    /// [`Queue::is_pending`] after it, what becomes pending later interrupts.
    #[inline]
    pub fn arm(&mut self, after: u16) {
        let after = after.min(self.outstanding()).max(1);
        either!(&mut self.ring, ring => ring.arm(after));
        dirql::dma::barrier();
    }

    /// Asks for no interrupts. One may still come.
    #[inline]
    pub fn disarm(&mut self) {
        either!(&mut self.ring, ring => ring.disarm());
    }

    /// Takes everything back that the device has, and starts the queue anew. The device, or the queue, was reset.
    pub fn reclaim(&mut self) -> Vec<T> {
        (self.doorbell, self.failure) = (None, None);
        either!(&mut self.ring, ring => ring.reclaim())
    }
}

/// Where an array of 16-byte descriptors has its `index`th one.
fn descriptor_at(base: Iova, index: usize) -> Iova {
    Iova(base.0 + 16 * index as u64)
}
