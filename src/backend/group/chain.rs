//! Reading what VFIO answers with: a fixed structure and a chain of capabilities behind it.
//!
//! Each capability begins with `struct vfio_info_cap_header`: id and version as u16, then as u32 the offset of the
//! next one, 0 for the last.

use crate::backend::Window;

/// An answer's bytes. Reads beyond the end give `None`.
pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn u16(&self, offset: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(self.0.get(offset..)?.first_chunk().copied()?))
    }

    pub fn u32(&self, offset: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(self.0.get(offset..)?.first_chunk().copied()?))
    }

    pub fn u64(&self, offset: usize) -> Option<u64> {
        Some(u64::from_ne_bytes(self.0.get(offset..)?.first_chunk().copied()?))
    }

    /// Where the capability `id` begins, from the chain that starts at `first`. Ends at a loop or a wild offset.
    pub fn capability(&self, first: u32, id: u16) -> Option<usize> {
        let mut offset = first as usize;
        for _ in 0..self.0.len() / 8 {
            if offset == 0 {
                return None;
            }
            if self.u16(offset)? == id {
                return Some(offset);
            }
            offset = self.u32(offset + 4)? as usize;
        }
        None
    }

    /// `nr_areas` at `count_at`, then that many pairs of u64 from `pairs_at`, all relative to the capability.
    pub fn pairs(&self, capability: usize, count_at: usize, pairs_at: usize) -> Vec<(u64, u64)> {
        let count = self.u32(capability + count_at).unwrap_or(0) as usize;
        (0..count)
            .map_while(|i| {
                let at = capability + pairs_at + i * 16;
                Some((self.u64(at)?, self.u64(at + 8)?))
            })
            .collect()
    }
}

/// The windows of a sparse region that lie inside `len`, without empty ones.
pub fn sparse_windows(areas: Vec<(u64, u64)>, len: u64) -> Vec<Window> {
    areas
        .into_iter()
        .filter(|&(offset, size)| size > 0 && offset.checked_add(size).is_some_and(|end| end <= len))
        .map(|(offset, len)| Window { offset, len })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(words: &[u32]) -> Answer {
        Answer(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    #[test]
    fn a_chain_is_followed_to_the_capability() {
        // Two words of structure; capability 7 at 8, pointing to capability 1 at 16.
        let answer = answer(&[0, 0, 7, 16, 1, 0, 2, 0, 0x1000, 0, 0x2000, 0, 0x8000, 0, 0x1000, 0]);
        assert_eq!(answer.capability(8, 1), Some(16));
        assert_eq!(answer.pairs(16, 8, 16), [(0x1000, 0x2000), (0x8000, 0x1000)]);
        assert_eq!(answer.capability(8, 2), None);
        assert_eq!(sparse_windows(answer.pairs(16, 8, 16), 0x8000), [Window { offset: 0x1000, len: 0x2000 }]);
    }

    #[test]
    fn loops_and_wild_offsets_end() {
        assert_eq!(answer(&[0, 0, 7, 8]).capability(8, 1), None);
        assert_eq!(answer(&[0, 0, 7, 0xffff_fff0]).capability(8, 1), None);
        assert_eq!(answer(&[0, 0]).capability(6, 1), None);
        assert_eq!(answer(&[1, 0, u32::MAX]).pairs(0, 8, 16), []);
    }
}
