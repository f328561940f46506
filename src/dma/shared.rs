//! Words that the CPU and the device both read and write at any time: indices, flags, the entries of rings.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use super::Iova;
use super::buffer::Dma;
use super::memory::Block;
use crate::core::Core;
use crate::{Error, ErrorKind, Result};

/// An array of words in memory that the device reaches as well, little-endian there. Each access is one of its width.
///
/// Unlike a [`super::Ring`]'s entries, words belong to nobody: what is read may be anything, and the next time something
/// else. The memory is the device's until the device is closed.
///
/// ```no_run
/// # fn f(dma: dirql::dma::Dma) -> dirql::Result<()> {
/// let mut ring = dma.shared::<u16>(18)?;
/// ring.store(2, 7); // an entry
/// ring.store_release(1, 1); // the index that makes it the device's
/// dirql::dma::barrier();
/// let flags = ring.load(0); // read after the index can be seen
/// # let _ = flags; Ok(()) }
/// ```
pub struct Shared<W> {
    block: Block,
    words: usize,
    // The core keeps the block's memory.
    _core: Arc<Core>,
    _word: PhantomData<W>,
}

impl<W: Word> Shared<W> {
    pub(super) fn new(dma: &Dma, words: usize) -> Result<Self> {
        let bytes = words.checked_mul(size_of::<W>()).filter(|&bytes| bytes > 0).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "allocation of shared memory")
                .why(format!("{words} words of {} bytes are not to be had", size_of::<W>()))
        })?;
        let block = dma.block(bytes, 4096)?;
        Ok(Self { block, words, _core: dma.core.clone(), _word: PhantomData })
    }

    /// How many words there are.
    #[allow(clippy::len_without_is_empty, reason = "an empty array cannot be had")]
    pub fn len(&self) -> usize {
        self.words
    }

    /// Where the device finds the first word.
    pub fn iova(&self) -> Iova {
        Iova(self.block.iova)
    }

    /// Reads a word; the last one for an index beyond it.
    #[inline]
    pub fn load(&self, index: usize) -> W {
        self.word(index, Ordering::Relaxed)
    }

    /// Reads a word; what is read after it is no older.
    #[inline]
    pub fn load_acquire(&self, index: usize) -> W {
        self.word(index, Ordering::Acquire)
    }

    /// Writes a word; the last one for an index beyond it.
    #[inline]
    pub fn store(&mut self, index: usize, value: W) {
        self.set_word(index, value, Ordering::Relaxed);
    }

    /// Writes a word, after everything that was written before it.
    #[inline]
    pub fn store_release(&mut self, index: usize, value: W) {
        self.set_word(index, value, Ordering::Release);
    }

    #[inline]
    fn word(&self, index: usize, order: Ordering) -> W {
        debug_assert!(index < self.words, "word {index} of {}", self.words);
        let at = self.block.word::<W>(index);
        // SAFETY: `Block::word` gives an aligned pointer into the block, which `self` keeps. Every access of this process
        // to a block that is in a `Shared` is an atomic one; the device's are no accesses of Rust's.
        unsafe { W::load(at.as_ptr(), order) }
    }

    #[inline]
    fn set_word(&mut self, index: usize, value: W, order: Ordering) {
        debug_assert!(index < self.words, "word {index} of {}", self.words);
        let at = self.block.word::<W>(index);
        // SAFETY: as for `word`.
        unsafe { W::store(at.as_ptr(), value, order) };
    }
}

impl<W> fmt::Debug for Shared<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} words at {:#x})", self.words, self.block.iova)
    }
}

/// Everything written before it can be seen by the device before anything is read after it: between the publishing of
/// an index and the look whether the device wants to hear of it.
#[inline]
pub fn barrier() {
    fence(Ordering::SeqCst);
}

mod sealed {
    use super::Ordering;

    pub trait Sealed: Sized {
        /// # Safety
        /// `at` is aligned and valid for reads and writes, and accessed by atomics only.
        unsafe fn load(at: *mut Self, order: Ordering) -> Self;
        /// # Safety
        /// As for `load`.
        unsafe fn store(at: *mut Self, value: Self, order: Ordering);
    }
}

/// What [`Shared`] is an array of: `u8`, `u16`, `u32` or `u64`.
pub trait Word: sealed::Sealed + Copy + Send + 'static {}

macro_rules! word {
    ($($word:ty, $atomic:ty;)*) => {$(
        impl Word for $word {}
        impl sealed::Sealed for $word {
            #[inline]
            unsafe fn load(at: *mut Self, order: Ordering) -> Self {
                // SAFETY: the caller's promise is what `from_ptr` asks for.
                Self::from_le(unsafe { <$atomic>::from_ptr(at) }.load(order))
            }

            #[inline]
            unsafe fn store(at: *mut Self, value: Self, order: Ordering) {
                // SAFETY: the caller's promise is what `from_ptr` asks for.
                unsafe { <$atomic>::from_ptr(at) }.store(value.to_le(), order);
            }
        }
    )*};
}
word! { u8, AtomicU8; u16, AtomicU16; u32, AtomicU32; u64, AtomicU64; }
