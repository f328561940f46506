//! The event index: after which entry the other side wants to be told.

/// Whether the entry `event` is among those from `old` up to, and without, `new`. All run free modulo 65536.
///
/// Source: VIRTIO 1.2, 2.7.7.1 (`vring_need_event`).
#[inline]
pub(super) fn is_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_is_passed_when_it_is_among_the_new_entries(old: u16, added in 0_u16..=32768, event: u16) {
            let passed = (0..added).any(|entry| old.wrapping_add(entry) == event);
            prop_assert_eq!(is_passed(event, old.wrapping_add(added), old), passed);
        }
    }
}
