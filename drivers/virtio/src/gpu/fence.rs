//! Fences: which have passed, in the order in which they were given, each once.

use std::collections::VecDeque;

use dirql::Error;
use dirql::class::display::FenceCounters;
use dirql::class::{Meter, MeterReader};

/// How many failures are remembered.
const REMEMBERED: usize = 64;

/// What became of a fence.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It has passed.
    Passed,
    /// It has not.
    Pending,
    /// It has passed, and what it is for went wrong.
    Failed(Error),
}

#[derive(Debug)]
struct Pending {
    id: u64,
    /// Commands that are not answered.
    left: u16,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Failure {
    id: u64,
    error: Error,
    told: bool,
}

/// The fences of a control queue.
#[derive(Debug)]
pub struct Fences {
    /// Oldest first.
    pending: VecDeque<Pending>,
    failures: VecDeque<Failure>,
    given: u64,
    passed: Option<u64>,
    counters: FenceCounters,
    meter: Meter<FenceCounters>,
}

impl Fences {
    /// None yet, with room for so many at once.
    pub(super) fn new(room: usize) -> Self {
        let failures = VecDeque::with_capacity(REMEMBERED);
        let (counters, meter) = Default::default();
        Self { pending: VecDeque::with_capacity(room), failures, given: 0, passed: None, counters, meter }
    }

    /// The next id, which no other has.
    pub(super) fn next(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// The fence passes once so many commands are answered.
    pub(super) fn give(&mut self, id: u64, commands: u16) {
        self.pending.push_back(Pending { id, left: commands, failure: None });
        self.counters.given += 1;
        self.meter.set(&self.counters);
    }

    /// A command of the fence was answered. True where a fence has passed.
    pub(super) fn answered(&mut self, id: u64, failure: Option<Error>) -> bool {
        if let Some(fence) = self.pending.iter_mut().find(|fence| fence.id == id) {
            fence.left = fence.left.saturating_sub(1);
            // The first failure says most.
            fence.failure = fence.failure.take().or(failure);
        }
        let before = self.passed;
        // One that is done waits for those before it.
        while let Some(fence) = self.pending.pop_front_if(|fence| fence.left == 0) {
            self.passed = Some(fence.id);
            self.counters.passed += 1;
            if let Some(error) = fence.failure {
                if self.failures.len() == REMEMBERED {
                    self.failures.pop_front();
                }
                self.failures.push_back(Failure { id: fence.id, error, told: false });
            }
        }
        let has_passed = self.passed != before;
        if has_passed {
            self.meter.set(&self.counters);
        }
        has_passed
    }

    /// How many answers the oldest fence waits for at least.
    pub(super) fn awaited(&self) -> Option<u16> {
        self.pending.front().map(|fence| fence.left)
    }

    /// How many there were, and have passed.
    pub(super) fn reader(&self) -> MeterReader<FenceCounters> {
        self.meter.reader()
    }

    /// How many have not passed.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The last one that has passed.
    pub fn passed(&self) -> Option<u64> {
        self.passed
    }

    /// A failure that nobody was told of yet.
    pub(super) fn untold(&mut self) -> Option<Error> {
        let failure = self.failures.iter_mut().find(|failure| !failure.told)?;
        failure.told = true;
        Some(failure.error.clone())
    }

    /// What became of a fence; `None` for one that was never given.
    pub fn outcome(&mut self, id: u64) -> Option<Outcome> {
        if id == 0 || id > self.given {
            return None;
        }
        if self.pending.iter().any(|fence| fence.id == id) {
            return Some(Outcome::Pending);
        }
        let failure = self.failures.iter_mut().find(|failure| failure.id == id);
        Some(failure.map_or(Outcome::Passed, |failure| {
            failure.told = true;
            Outcome::Failed(failure.error.clone())
        }))
    }

    /// Whether what a fence is for went wrong, as far as that is remembered.
    pub(super) fn has_failed(&self, id: u64) -> bool {
        self.failures.iter().any(|failure| failure.id == id)
    }
}

#[cfg(test)]
mod tests {
    use dirql::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// In whatever order commands are answered, fences pass in theirs, each once, and none before its last answer.
        #[test]
        fn fences_pass_in_order(commands in prop::collection::vec(1_u16..4, 1..20), seed: u64) {
            let mut fences = Fences::new(64);
            let mut open = Vec::new();
            for &left in &commands {
                let id = fences.next();
                fences.give(id, left);
                open.extend((0..left).map(|_| id));
            }
            let (mut seed, mut last) = (seed, None);
            while !open.is_empty() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let id = open.swap_remove((seed >> 33) as usize % open.len());
                let passed = fences.answered(id, None);
                prop_assert_eq!(passed, fences.passed() != last);
                last = fences.passed();
                let expected = open.iter().min().map_or(commands.len() as u64, |first| first - 1);
                prop_assert_eq!(last.unwrap_or(0), expected);
                prop_assert_eq!(fences.pending() as u64, commands.len() as u64 - expected);
                let counted = fences.reader().read();
                prop_assert_eq!((counted.given, counted.passed), (commands.len() as u64, expected));
            }
        }
    }

    #[test]
    fn a_failure_is_told_of_its_fence_and_once_without_asking() {
        let mut fences = Fences::new(4);
        for id in 1..=3 {
            assert_eq!(fences.next(), id);
            fences.give(id, 2);
        }
        let error = |text: &str| Some(Error::new(ErrorKind::Device, "a test").why(text.to_owned()));
        fences.answered(2, error("first"));
        fences.answered(2, error("second"));
        assert!(matches!(fences.outcome(2), Some(Outcome::Pending)), "the first one has not passed");
        assert!(fences.untold().is_none());
        for id in [1, 3, 1, 3] {
            fences.answered(id, None);
        }
        assert_eq!(fences.passed(), Some(3));
        assert!(fences.untold().is_some_and(|error| error.to_string().contains("first")));
        assert!(fences.untold().is_none());
        assert!(matches!(fences.outcome(1), Some(Outcome::Passed)));
        assert!(matches!(fences.outcome(2), Some(Outcome::Failed(_))) && fences.has_failed(2));
        assert!(fences.outcome(0).is_none() && fences.outcome(4).is_none());
    }

    #[test]
    fn no_more_than_so_many_failures_are_remembered() {
        let mut fences = Fences::new(1);
        for _ in 0..1000 {
            let id = fences.next();
            fences.give(id, 1);
            fences.answered(id, Some(Error::new(ErrorKind::Device, "a test")));
        }
        assert_eq!(fences.failures.len(), REMEMBERED);
        assert!(fences.has_failed(1000) && !fences.has_failed(1000 - REMEMBERED as u64));
    }
}
