//! Where in video memory there is place.

use std::collections::BTreeMap;

/// Which parts of the video memory are taken.
#[derive(Debug)]
pub struct Vram {
    len: u64,
    /// Where each begins, and its length.
    taken: BTreeMap<u64, u64>,
}

impl Vram {
    /// Nothing is taken of so many bytes.
    pub fn new(len: u64) -> Self {
        Self { len, taken: BTreeMap::new() }
    }

    /// Takes `lines` of `stride` bytes, so that they begin on a line, which is `highest` or before. Where that is; `None` where
    /// there is no place.
    pub fn take(&mut self, stride: u64, lines: u64, highest: u64) -> Option<u64> {
        let len = stride * lines;
        let offset = self
            .gaps()
            .map(|(start, end)| (start.next_multiple_of(stride), end))
            .find(|&(start, end)| start / stride <= highest && start + len <= end)?
            .0;
        self.taken.insert(offset, len);
        Some(offset)
    }

    /// Gives back what was taken from `offset` on.
    pub fn give_back(&mut self, offset: u64) {
        self.taken.remove(&offset);
    }

    /// Bytes that are not taken, and those of the largest part of them.
    pub fn free(&self) -> (u64, u64) {
        let lengths = || self.gaps().map(|(start, end)| end - start);
        (lengths().sum(), lengths().max().unwrap_or(0))
    }

    /// From where to where nothing is taken.
    fn gaps(&self) -> impl Iterator<Item = (u64, u64)> {
        let ends = self.taken.iter().map(|(offset, len)| offset + len);
        let starts = self.taken.keys().copied();
        std::iter::once(0).chain(ends).zip(starts.chain([self.len]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_begin_on_a_line_and_do_not_overlap() {
        let mut vram = Vram::new(1000);
        assert_eq!(vram.free(), (1000, 1000));
        assert_eq!(vram.take(90, 3, 9), Some(0));
        assert_eq!(vram.take(100, 3, 9), Some(300));
        assert_eq!(vram.take(30, 1, 9), Some(270));
        assert_eq!(vram.free(), (400, 400));
        assert_eq!(vram.take(100, 5, 9), None);
        assert_eq!(vram.take(10, 1, 59), None, "line 60 is too far down");
        assert_eq!(vram.take(10, 1, 60), Some(600));
        vram.give_back(300);
        assert_eq!(vram.free(), (690, 390));
        assert_eq!(vram.take(100, 4, 9), None, "from 600 on there is no line of 100 but 700");
        assert_eq!(vram.take(150, 2, 9), Some(300));
        assert_eq!(vram.take(130, 2, 9), Some(650));
    }
}
