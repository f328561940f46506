//! The chip's counters, which clear when they are read, added up since the start.

use std::sync::{Mutex, PoisonError};

use dirql::Result;
use dirql::class::net;
use dirql::region::{Bar, Register};

use crate::register::{
    ALGNERRC, CRCERRS, GORCH, GORCL, GOTCH, GOTCL, GPRC, GPTC, MPC, RLEC, RXERRC, SYMERRS, TORH, TORL, TOTH,
    TOTL, TPR, TPT,
};

/// Frames that came damaged, each kind by its counter.
const ERRORS: [Register<u32>; 5] = [CRCERRS, ALGNERRC, SYMERRS, RXERRC, RLEC];

/// The one place where the counters are read and added up, for whoever asks, on any thread. No handler needs them, so that
/// they are not in its vector, which would wait for some twenty reads of registers.
#[derive(Debug)]
pub struct Accumulator {
    bar: Bar,
    statistics: Mutex<Statistics>,
}

impl Accumulator {
    /// Sums of zero.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn new(bar: Bar) -> Result<Self> {
        let statistics = Mutex::new(Statistics::new(&bar)?);
        Ok(Self { bar, statistics })
    }

    /// What was counted since then.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    pub fn read(&self) -> Result<net::Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).read(&self.bar)
    }
}

/// The sums.
#[derive(Debug, Default)]
struct Statistics {
    sums: net::Statistics,
    errors: [Counter; ERRORS.len()],
    missed: Counter,
}

impl Statistics {
    /// Sums of zero: what was counted until now was an earlier process's.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    fn new(bar: &Bar) -> Result<Self> {
        let mut statistics = Self::default();
        statistics.read(bar)?;
        statistics.sums = net::Statistics::default();
        Ok(statistics)
    }

    /// Adds what was counted since the last time, and gives the sums.
    ///
    /// # Errors
    /// Where a counter cannot be read.
    fn read(&mut self, bar: &Bar) -> Result<net::Statistics> {
        let sums = &mut self.sums;
        sums.receive_frames += good(|| frames(bar, GPRC), || frames(bar, TPR))?;
        sums.receive_bytes += good(|| octets(bar, GORCL, GORCH), || octets(bar, TORL, TORH))?;
        sums.transmit_frames += good(|| frames(bar, GPTC), || frames(bar, TPT))?;
        sums.transmit_bytes += good(|| octets(bar, GOTCL, GOTCH), || octets(bar, TOTL, TOTH))?;
        sums.receive_missed += self.missed.read(|| bar.read(MPC))?;
        for (counter, register) in self.errors.iter_mut().zip(ERRORS) {
            sums.receive_errors += counter.read(|| bar.read(register))?;
        }
        Ok(*sums)
    }
}

/// A counter of what was good, that of all beside it. Emulated chips set the former to the latter at each frame, so that it
/// begins anew only where both were read; and what comes between the two readings is then missed, but never counted twice.
fn good(good: impl FnOnce() -> Result<u64>, all: impl FnOnce() -> Result<u64>) -> Result<u64> {
    let good = good()?;
    Ok(good.min(all()?))
}

/// A counter of 32 bits.
fn frames(bar: &Bar, register: Register<u32>) -> Result<u64> {
    bar.read(register).map(u64::from)
}

/// A counter of 64 bits: low first, because reading the high half clears both.
fn octets(bar: &Bar, low: Register<u32>, high: Register<u32>) -> Result<u64> {
    let low = u64::from(bar.read(low)?);
    Ok(u64::from(bar.read(high)?) << 32 | low)
}

/// An error counter: the chip clears it when it is read, and emulated chips do not.
#[derive(Debug, Default)]
struct Counter {
    /// What it read last, where reading does not clear it.
    kept: u32,
}

impl Counter {
    /// What was counted since the last time.
    fn read(&mut self, mut read: impl FnMut() -> Result<u32>) -> Result<u64> {
        let first = read()?;
        if first == 0 {
            return Ok(0);
        }
        let second = read()?;
        if second < first {
            // Cleared; the second reading has what came between the two.
            self.kept = 0;
            return Ok(u64::from(first) + u64::from(second));
        }
        let since = u64::from(second.saturating_sub(self.kept));
        self.kept = second;
        Ok(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(counter: &mut Counter, values: &[u32]) -> u64 {
        let mut values = values.iter().copied();
        counter.read(|| Ok(values.next().expect("no further reading"))).unwrap()
    }

    #[test]
    fn a_counter_that_clears_is_added_up() {
        let mut counter = Counter::default();
        assert_eq!(read(&mut counter, &[0]), 0);
        assert_eq!(read(&mut counter, &[5, 0]), 5);
        assert_eq!(read(&mut counter, &[7, 2]), 9);
    }

    #[test]
    fn a_counter_that_does_not_clear_is_counted_once() {
        let mut counter = Counter::default();
        assert_eq!(read(&mut counter, &[5, 5]), 5);
        assert_eq!(read(&mut counter, &[5, 5]), 0);
        assert_eq!(read(&mut counter, &[8, 9]), 4);
    }
}
