//! How busy the host is: what others do there is noise.

use dirql_lab::Result;
use std::fs;
use std::thread;
use std::time::Duration;

/// Ticks of the host's processors: idle ones, and all.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    /// Until now.
    pub fn now() -> Result<Ticks> {
        let text = fs::read_to_string("/proc/stat")?;
        parse(&text).ok_or_else(|| "/proc/stat is not understood".into())
    }

    /// The part of the time since then that nobody wanted.
    pub fn idle_since(self, then: Ticks) -> f64 {
        (self.idle - then.idle) as f64 / (self.all - then.all).max(1) as f64
    }
}

fn parse(text: &str) -> Option<Ticks> {
    // user nice system idle iowait irq softirq steal; the rest is counted in the first two.
    let ticks: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
    Some(Ticks { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
}

/// How much of the host is idle before anything is measured.
pub fn idle() -> Result<f64> {
    let before = Ticks::now()?;
    thread::sleep(Duration::from_secs(1));
    Ok(Ticks::now()?.idle_since(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_nobody_wanted() {
        let ticks = |text: &str| parse(text).unwrap();
        let before = ticks("cpu  10 0 10 100 0 0 0 0 5 0\ncpu0 1 2 3 4\n");
        let after = ticks("cpu  30 0 10 160 10 0 0 10 9 0\n");
        assert_eq!(after.idle_since(before), 0.7);
    }
}
