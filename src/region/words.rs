//! Many words into a BAR with memory behind it: a frame buffer, say.

use std::sync::atomic::{Ordering, compiler_fence, fence};

use super::{Bar, Value as _};
use crate::{Error, ErrorKind, Result};

/// Bytes of a word.
const WORD: u64 = size_of::<u32>() as u64;
/// After how many words the device is looked for again: as many as a page has.
const CHUNK: usize = 1024;

impl Bar {
    /// Writes words, in their order, from `offset` on; little-endian on the bus. Where the BAR is mapped, each is one access;
    /// by calls, the kernel decides. Memory that was written before is visible to the device by then.
    ///
    /// # Errors
    /// As [`Bar::write`]. Where the device is gone, some may have been written; `InvalidArgument` is told before any.
    pub fn write_words(&self, offset: u64, words: &[u32]) -> Result<()> {
        self.check_words(offset, words.len())?;
        fence(Ordering::SeqCst);
        for (chunk, at) in words.chunks(CHUNK).zip((offset..).step_by(CHUNK * size_of::<u32>())) {
            self.write_chunk(at, chunk)?;
        }
        compiler_fence(Ordering::SeqCst);
        self.unless_gone(())
    }

    fn write_chunk(&self, offset: u64, words: &[u32]) -> Result<()> {
        self.mapping.presence.admit(self.core.address())?;
        let Some(start) = self.mapping.pointer_to::<u32>(offset, words.len()) else {
            return self.write_chunk_by_call(offset, words);
        };
        for (index, word) in words.iter().enumerate() {
            // SAFETY: `pointer_to` gave an aligned pointer to `words.len()` words in a mapping that `self` keeps, and that
            // this process has; device memory is volatile.
            unsafe { start.add(index).write_volatile(word.swap_on_big_endian()) };
        }
        Ok(())
    }

    #[cold]
    fn write_chunk_by_call(&self, offset: u64, words: &[u32]) -> Result<()> {
        let mut bytes = [[0; size_of::<u32>()]; CHUNK];
        let bytes = &mut bytes[..words.len()];
        bytes.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        self.core.backend()?.write(self.index, offset, bytes.as_flattened())
    }

    fn check_words(&self, offset: u64, count: usize) -> Result<()> {
        let end = (count as u64).checked_mul(WORD).and_then(|len| offset.checked_add(len));
        if offset.is_multiple_of(WORD) && end.is_some_and(|end| end <= self.mapping.len) {
            return Ok(());
        }
        let operation = format!("access to {}", self.index.name());
        Err(Error::new(ErrorKind::InvalidArgument, operation).on(self.core.address()).why(format!(
            "{count} words at {offset:#x} are not aligned inside its {:#x} bytes",
            self.mapping.len
        )))
    }
}
