//! Noise from a seed.

/// What SplitMix64's state grows by.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The pixels of [`Pattern::Noise`](crate::Pattern::Noise), line after line from the upper left: of each number of
/// SplitMix64 with this seed the lower 24 bits.
///
/// Source: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
pub fn noise(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(GAMMA);
        mixed(state) as u32 & 0xff_ffff
    })
}

/// The finalizer of SplitMix64: any two inputs that differ have outputs that differ in half of their bits.
pub(crate) fn mixed(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that are published for the seed 1234567.
    #[test]
    fn the_generator_is_splitmix64() {
        let first = [6457827717110365317_u64, 3203168211198807973, 9817491932198370423];
        let wanted = first.map(|number| number as u32 & 0xff_ffff);
        assert!(noise(1_234_567).take(3).eq(wanted));
    }
}
