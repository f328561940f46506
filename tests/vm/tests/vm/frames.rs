//! Frames of seeded content.

/// SplitMix64: the same numbers for the same seed, everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }
}

/// The MAC address that [`frames`] come from.
pub const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// Frames of an experimental type, with their number in front and noise behind, sizes from `low` to `high`. They go to
/// this NIC or to everybody, so that it takes them in any mode.
pub fn frames(nic: [u8; 6], seed: u64, count: usize, low: usize, high: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut frame = |number: usize| {
        let to = if random.next().is_multiple_of(2) { nic } else { [0xff; 6] };
        let mut frame = [&to[..], &SENDER, &[0x88, 0xb5], &(number as u64).to_be_bytes()].concat();
        let size = random.within(low, high);
        while frame.len() < size {
            frame.extend(random.next().to_ne_bytes());
        }
        frame.truncate(size);
        frame
    };
    (0..count).map(&mut frame).collect()
}

/// Tells how two lists of frames differ, if they do.
pub fn difference(wanted: &[Vec<u8>], found: &[Vec<u8>]) -> Option<String> {
    if wanted == found {
        return None;
    }
    let first = wanted.iter().zip(found).position(|(wanted, found)| wanted != found);
    let at = first.unwrap_or(wanted.len().min(found.len()));
    let number = |frame: Option<&Vec<u8>>| -> Option<u64> {
        Some(u64::from_be_bytes(frame?.get(14..22)?.try_into().ok()?))
    };
    Some(format!(
        "{} frames wanted, {} found; the first difference is at {at}: wanted number {:?} of {:?} bytes, found number \
         {:?} of {:?} bytes",
        wanted.len(),
        found.len(),
        number(wanted.get(at)),
        wanted.get(at).map(Vec::len),
        number(found.get(at)),
        found.get(at).map(Vec::len),
    ))
}
