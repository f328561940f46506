//! How long a caller waits.

use std::time::{Duration, Instant};

/// How long a caller waits for a section.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Not at all.
    None,
    /// So long from the moment at which the section was found taken: where it is free, no clock is read.
    For(Duration),
    /// Until then, on the monotonic clock.
    Until(Instant),
    /// However long it takes.
    Forever,
    /// However long it takes, and in the kernel's queue before others that spin: an interrupt waits.
    Queued,
}

impl Patience {
    /// The same, counted from `now`. What the clock cannot tell any more is for ever.
    pub fn from(self, now: Instant) -> Self {
        match self {
            Self::For(time) => now.checked_add(time).map_or(Self::Forever, Self::Until),
            other => other,
        }
    }

    /// When the waiting ends, on the monotonic clock, where it does and that is known.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::None | Self::For(_) | Self::Forever | Self::Queued => None,
        }
    }

    /// Whether to wait no longer. The clock is read only where that depends on it.
    pub fn is_over(self) -> bool {
        match self {
            Self::None => true,
            Self::For(time) => time.is_zero(),
            Self::Until(deadline) => Instant::now() >= deadline,
            Self::Forever | Self::Queued => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_cannot_tell_is_for_ever() {
        let now = Instant::now();
        assert!(matches!(Patience::For(Duration::MAX).from(now), Patience::Forever));
        let second = Duration::from_secs(1);
        assert!(
            matches!(Patience::For(second).from(now), Patience::Until(deadline) if deadline == now + second)
        );
        assert!(Patience::Until(now).is_over());
        assert!(!Patience::Until(now + second * 3600).is_over());
        assert!(Patience::None.is_over() && !Patience::Forever.is_over());
    }
}
