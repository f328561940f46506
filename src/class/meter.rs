//! Counters that their owner goes on writing while others read them.
//!
//! What moves frames must not wait, call the system or take memory from the heap to be counted. So its counters are stored
//! once a burst, each by a plain store, in a cache line of their own: nobody else writes them, and whoever reads them takes
//! nothing but the line.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many counters fit: a cache line of 64 bytes.
pub const WORDS: usize = 8;

/// Counters of one owner, as words.
pub trait Counters: Copy {
    /// Their values, always in the same order.
    fn words(&self) -> [u64; WORDS];

    /// Those that have these values.
    fn from_words(words: [u64; WORDS]) -> Self;
}

/// Two lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; WORDS]);

/// The owner's side: one writer.
///
/// ```
/// use dirql::class::Meter;
/// use dirql::class::net::QueueCounters;
/// let mut meter = Meter::<QueueCounters>::default();
/// let reader = meter.reader();
/// meter.set(&QueueCounters { receive_frames: 32, ..QueueCounters::default() });
/// assert_eq!(reader.read().receive_frames, 32);
/// ```
pub struct Meter<C>(Arc<Line>, PhantomData<C>);

impl<C: Counters> Meter<C> {
    /// Shows what was counted until now, in so many stores.
    #[inline]
    pub fn set(&mut self, counters: &C) {
        self.0.0.iter().zip(counters.words()).for_each(|(cell, word)| cell.store(word, Relaxed));
    }

    /// A way to read them, also when the meter has gone.
    pub fn reader(&self) -> MeterReader<C> {
        MeterReader(self.0.clone(), PhantomData)
    }
}

impl<C> Default for Meter<C> {
    /// Counters of zero.
    fn default() -> Self {
        Self(Arc::default(), PhantomData)
    }
}

impl<C: Counters + fmt::Debug> fmt::Debug for Meter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader().fmt(f)
    }
}

/// The side of whoever looks.
pub struct MeterReader<C>(Arc<Line>, PhantomData<fn() -> C>);

impl<C: Counters> MeterReader<C> {
    /// What was shown last. A look amid a burst's end may see some counters of it, and others of the one before.
    pub fn read(&self) -> C {
        C::from_words(std::array::from_fn(|index| self.0.0[index].load(Relaxed)))
    }
}

impl<C> Clone for MeterReader<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<C: Counters + fmt::Debug> fmt::Debug for MeterReader<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}
