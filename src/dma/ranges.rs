//! Which addresses are free.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Free addresses, given out lowest first.
///
/// ```
/// use dirql::dma::RangeAllocator;
/// let mut free = RangeAllocator::new([0x1000..=0x4fff]);
/// assert_eq!(free.allocate(0x1000, 0x2000, u64::MAX), Some(0x2000));
/// assert_eq!(free.allocate(0x3000, 1, u64::MAX), None);
/// free.free(0x2000, 0x1000);
/// assert_eq!(free.allocate(0x4000, 1, u64::MAX), Some(0x1000));
/// ```
#[derive(Debug, Clone, Default)]
pub struct RangeAllocator {
    /// First to last address of each free range. No two touch.
    free: BTreeMap<u64, u64>,
}

impl RangeAllocator {
    /// All of `ranges` free. Overlapping and touching ones become one.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u64>>) -> Self {
        let mut allocator = Self::default();
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        for range in ranges {
            let (start, last) = range.into_inner();
            match allocator.free.last_entry() {
                Some(mut before) if before.get().checked_add(1).is_none_or(|next| next >= start) => {
                    let merged = last.max(*before.get());
                    before.insert(merged);
                }
                _ => {
                    allocator.free.insert(start, last);
                }
            }
        }
        allocator
    }

    /// Takes `len` addresses that begin at a multiple of `align`, a power of two, and end no later than `last`.
    /// `None` where there are no such, or `len` is 0.
    pub fn allocate(&mut self, len: u64, align: u64, last: u64) -> Option<u64> {
        if len == 0 || !align.is_power_of_two() {
            return None;
        }
        let (start, at, end) = self.free.iter().find_map(|(&start, &end)| {
            let at = start.checked_next_multiple_of(align)?;
            (at.checked_add(len - 1)? <= end.min(last)).then_some((start, at, end))
        })?;
        self.free.remove(&start);
        if at > start {
            self.free.insert(start, at - 1);
        }
        if at + (len - 1) < end {
            self.free.insert(at + len, end);
        }
        Some(at)
    }

    /// Gives back what [`RangeAllocator::allocate`] gave. What is free already, or ends beyond the last address, is
    /// left as it is, and false is returned.
    pub fn free(&mut self, start: u64, len: u64) -> bool {
        let Some(last) = len.checked_sub(1).and_then(|more| start.checked_add(more)) else { return false };
        let before = self.free.range(..=last).next_back().map(|(&start, &end)| (start, end));
        if before.is_some_and(|(_, end)| end >= start) {
            return false;
        }
        let mut merged = (start, last);
        if let Some((before_start, before_last)) = before.filter(|&(_, end)| end + 1 == start) {
            self.free.remove(&before_start);
            merged.0 = before_start;
            debug_assert!(before_last < start);
        }
        if let Some(after_last) = last.checked_add(1).and_then(|next| self.free.remove(&next)) {
            merged.1 = after_last;
        }
        self.free.insert(merged.0, merged.1);
        true
    }

    /// How many addresses are free; saturates at `u64::MAX`.
    pub fn available(&self) -> u64 {
        self.free
            .iter()
            .fold(0, |sum: u64, (start, last)| sum.saturating_add((last - start).saturating_add(1)))
    }

    /// The free ranges, in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.free.iter().map(|(&start, &last)| start..=last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_address_can_be_had_and_given_back() {
        let mut free = RangeAllocator::new([u64::MAX - 0xfff..=u64::MAX]);
        assert_eq!(free.allocate(0x1000, 0x1000, u64::MAX), Some(u64::MAX - 0xfff));
        assert_eq!(free.available(), 0);
        assert!(free.free(u64::MAX - 0xfff, 0x1000));
        assert!(!free.free(u64::MAX - 0xfff, 0x1000));
        assert_eq!(free.available(), 0x1000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Allocate { len: u64, align: u32, last: u64 },
        Free(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..5000, 0_u32..14, prop_oneof![Just(u64::MAX), 0_u64..0x2_0000])
                .prop_map(|(len, align, last)| Step::Allocate { len, align, last }),
            any::<usize>().prop_map(Step::Free),
        ]
    }

    proptest! {
        /// What is given out is aligned, within a range and the limit, and disjoint; nothing is lost.
        #[test]
        fn allocations_are_disjoint_and_come_back(
            ranges in prop::collection::vec((0_u64..0x2_0000, 0_u64..0x8000), 1..5),
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let ranges: Vec<_> = ranges.into_iter().map(|(start, len)| start..=start + len).collect();
            let mut free = RangeAllocator::new(ranges.clone());
            let whole = free.available();
            let original: Vec<_> = free.ranges().collect();
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate { len, align, last } => {
                        let Some(at) = free.allocate(len, 1 << align, last) else { continue };
                        let end = at + len - 1;
                        prop_assert!(len > 0 && at % (1 << align) == 0 && end <= last);
                        prop_assert!(original.iter().any(|range| range.contains(&at) && range.contains(&end)));
                        prop_assert!(taken.iter().all(|&(start, len)| end < start || start + len <= at));
                        taken.push((at, len));
                    }
                    Step::Free(which) if !taken.is_empty() => {
                        let (start, len) = taken.swap_remove(which % taken.len());
                        prop_assert!(free.free(start, len));
                        prop_assert!(!free.free(start, len));
                    }
                    Step::Free(_) => {}
                }
                let out: u64 = taken.iter().map(|(_, len)| len).sum();
                prop_assert_eq!(free.available() + out, whole);
            }
            for (start, len) in taken {
                prop_assert!(free.free(start, len));
            }
            prop_assert_eq!(free.ranges().collect::<Vec<_>>(), original);
        }

        /// It refuses only where no free range fits.
        #[test]
        fn it_gives_what_there_is(len in 1_u64..0x3000, align in 0_u32..13, hole in 0_u64..0x4000) {
            let mut free = RangeAllocator::new([0x1000..=0x4fff]);
            let hole_at = free.allocate(hole, 1, u64::MAX);
            let start = hole_at.map_or(0x1000, |at| at + hole);
            let fits = start.next_multiple_of(1 << align) + len <= 0x5000;
            prop_assert_eq!(free.allocate(len, 1 << align, u64::MAX).is_some(), fits);
        }
    }
}
