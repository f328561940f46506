//! Indirect tables: a chain's descriptors outside of the ring, of which it then takes one entry.
//!
//! Source: VIRTIO 1.2, 2.7.5.3 and 2.8.8.

use dirql::dma::{Dma, Shared};
use dirql::{Iova, Result};

use super::chain::Chain;
use super::descriptor_at;

/// A table for each chain that can be out.
#[derive(Debug)]
pub(super) struct Tables {
    words: Shared<u64>,
    segments: usize,
}

impl Tables {
    /// `None` where tables hold nothing.
    pub fn new(dma: &Dma, chains: u16, segments: u16) -> Result<Option<Self>> {
        let segments = usize::from(segments);
        if segments == 0 {
            return Ok(None);
        }
        Ok(Some(Self { words: dma.shared(2 * segments * usize::from(chains))?, segments }))
    }

    /// Whether a chain fits into a table.
    pub fn fits(&self, chain: &Chain<'_>) -> bool {
        chain.len() <= self.segments
    }

    /// Writes the table of chain `id`, each descriptor as `encode` has it: of its segment's length, whether the device
    /// writes it, and which descriptor follows. Gives the table's address and bytes.
    pub fn write(
        &mut self,
        id: u16,
        chain: &Chain<'_>,
        encode: impl Fn(u32, bool, Option<u16>) -> u64,
    ) -> (Iova, u32) {
        let first = self.segments * usize::from(id);
        let last = chain.len().saturating_sub(1);
        for (index, (segment, writable)) in chain.segments().enumerate() {
            let next = (index < last).then_some(index as u16 + 1);
            let word = 2 * (first + index);
            self.words.store(word, segment.iova.0);
            self.words.store(word + 1, encode(segment.len, writable, next));
        }
        (descriptor_at(self.words.iova(), first), 16 * chain.len() as u32)
    }
}
