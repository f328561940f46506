//! Bits that have names.

/// The names of the bits of `value` that are set, of those that have one.
pub(super) fn names(value: impl Into<u64>, bits: &[(u32, &'static str)]) -> Vec<&'static str> {
    let value = value.into();
    bits.iter().filter(|(bit, _)| value & 1 << bit != 0).map(|(_, name)| *name).collect()
}
