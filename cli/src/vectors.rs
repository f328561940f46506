//! The table of interrupt vectors, as `/proc/interrupts` would show them if the kernel still drove the device.

use std::time::Duration;

use dirql::interrupt::VectorStatistics;

use crate::table::Table;

/// The table of what was counted; rates are those since `before`, which `elapsed` ago was counted.
pub fn table(now: &[VectorStatistics], before: &[VectorStatistics], elapsed: Duration) -> Table {
    let headings =
        ["VECTOR", "MODE", "COUNT", "RATE/s", "SPURIOUS", "HANDLER p50", "p99", "SYNC", "WAIT p99"];
    let mut table = Table::new(&headings).numbers_from(2);
    for vector in now {
        let earlier = before.iter().find(|earlier| earlier.index == vector.index);
        let since = vector.count.saturating_sub(earlier.map_or(0, |earlier| earlier.count));
        table.row([
            vector.index.to_string(),
            vector.mode.to_string(),
            vector.count.to_string(),
            format!("{:.0}", since as f64 / elapsed.as_secs_f64().max(1e-3)),
            vector.spurious.to_string(),
            time(vector.handler_ns.p50),
            time(vector.handler_ns.p99),
            vector.synchronize.calls.to_string(),
            time(vector.synchronize.wait_ns.p99),
        ]);
    }
    table
}

/// A time in nanoseconds, to two digits or three.
pub fn time(nanoseconds: u64) -> String {
    let (value, unit) = match nanoseconds {
        0 => return "0".into(),
        1..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (nanoseconds as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanoseconds as f64 / 1e6, "ms"),
        _ => (nanoseconds as f64 / 1e9, "s"),
    };
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// The value that a share `quantile` of the sorted values does not exceed; 0 of none.
pub fn percentile(sorted: &[u64], quantile: f64) -> u64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use dirql::interrupt::{DeferredStatistics, Mode, Percentiles, SynchronizeStatistics};

    use super::*;

    fn vector(count: u64) -> VectorStatistics {
        let spread = |p50, p99| Percentiles { p50, p99, p999: p99, max: p99 };
        VectorStatistics {
            index: 0,
            mode: Mode::Intx,
            count,
            calls: count,
            coalesced: 0,
            spurious: 1,
            storms: 0,
            poisonings: 0,
            handler_ns: spread(850, 12_345),
            handler_wait_ns: spread(0, 0),
            synchronize: SynchronizeStatistics {
                calls: 7,
                wait_ns: spread(0, 2_500_000),
                hold_ns: spread(40, 90),
                timed: 1,
                reentries: 0,
                budget_ns: 25_000,
                over_budget: 0,
                latest_over_budget: Vec::new(),
            },
            deferred: DeferredStatistics::default(),
        }
    }

    #[test]
    fn shows_rates_since_the_last_look() {
        let text = table(&[vector(150)], &[vector(50)], Duration::from_millis(500)).render(None);
        let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["0", "intx", "150", "200", "1", "850", "ns", "12", "µs", "7", "2.5", "ms"]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn times_and_percentiles() {
        let shown: Vec<_> = [0, 999, 1000, 9_970, 1_500_000_000].into_iter().map(time).collect();
        assert_eq!(shown, ["0", "999 ns", "1.0 µs", "10 µs", "1.5 s"]);
        assert_eq!((percentile(&[], 0.5), percentile(&[3], 0.99)), (0, 3));
        assert_eq!((percentile(&[1, 2, 3, 4], 0.5), percentile(&[1, 2, 3, 4], 0.99)), (2, 4));
    }
}
