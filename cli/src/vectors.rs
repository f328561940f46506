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
        table.row([
            vector.index.to_string(),
            vector.mode.to_string(),
            vector.count.to_string(),
            format!("{:.0}", rate(vector, before, elapsed, |of| of.count)),
            vector.spurious.to_string(),
            time(vector.handler_ns.p50),
            time(vector.handler_ns.p99),
            vector.synchronize.calls.to_string(),
            time(vector.synchronize.wait_ns.p99),
        ]);
    }
    table
}

/// The interrupts: what arrived, and what the handler made of it.
pub fn interrupts(now: &[VectorStatistics], before: &[VectorStatistics], elapsed: Duration) -> Table {
    let headings = [
        "VECTOR",
        "MODE",
        "COUNT",
        "RATE/s",
        "COALESCED",
        "SPURIOUS",
        "STORMS",
        "HANDLER p50",
        "p99",
        "max",
        "WAIT p99",
    ];
    let mut table = Table::new(&headings).numbers_from(2);
    for vector in now {
        table.row([
            vector.index.to_string(),
            vector.mode.to_string(),
            vector.count.to_string(),
            format!("{:.0}", rate(vector, before, elapsed, |of| of.count)),
            vector.coalesced.to_string(),
            vector.spurious.to_string(),
            vector.storms.to_string(),
            time(vector.handler_ns.p50),
            time(vector.handler_ns.p99),
            time(vector.handler_ns.max),
            time(vector.handler_wait_ns.p99),
        ]);
    }
    table
}

/// The sections: how long they waited, and how long they made others wait.
pub fn sections(now: &[VectorStatistics], before: &[VectorStatistics], elapsed: Duration) -> Table {
    let headings = [
        "VECTOR",
        "SECTIONS",
        "RATE/s",
        "WAIT p99",
        "max",
        "HOLD p50",
        "p99",
        "max",
        "OVER",
        "REENTRANT",
        "POISONED",
    ];
    let mut table = Table::new(&headings).numbers_from(1);
    for vector in now {
        let of = &vector.synchronize;
        table.row([
            vector.index.to_string(),
            of.calls.to_string(),
            format!("{:.0}", rate(vector, before, elapsed, |of| of.synchronize.calls)),
            time(of.wait_ns.p99),
            time(of.wait_ns.max),
            time(of.hold_ns.p50),
            time(of.hold_ns.p99),
            time(of.hold_ns.max),
            of.over_budget.to_string(),
            of.reentries.to_string(),
            vector.poisonings.to_string(),
        ]);
    }
    table
}

/// The deferred calls.
pub fn deferred(now: &[VectorStatistics], before: &[VectorStatistics], elapsed: Duration) -> Table {
    let mut table = Table::new(&["VECTOR", "DEFERRED", "RATE/s", "RUN p50", "p99", "max"]).numbers_from(1);
    for vector in now {
        let of = &vector.deferred;
        table.row([
            vector.index.to_string(),
            of.calls.to_string(),
            format!("{:.0}", rate(vector, before, elapsed, |of| of.deferred.calls)),
            time(of.run_ns.p50),
            time(of.run_ns.p99),
            time(of.run_ns.max),
        ]);
    }
    table
}

/// How much of `what` there was in a second, since `before`, which `elapsed` ago was counted.
pub fn rate(
    vector: &VectorStatistics,
    before: &[VectorStatistics],
    elapsed: Duration,
    what: impl Fn(&VectorStatistics) -> u64,
) -> f64 {
    let earlier = before.iter().find(|earlier| earlier.index == vector.index);
    what(vector).saturating_sub(earlier.map_or(0, &what)) as f64 / elapsed.as_secs_f64().max(1e-3)
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
    fn every_table_fits_100_columns() {
        let (now, before, elapsed) = ([vector(123_456)], [vector(0)], Duration::from_secs(1));
        for table in [interrupts, sections, deferred].map(|table| table(&now, &before, elapsed).render(None))
        {
            assert_eq!(table.lines().count(), 2);
            assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        }
        let interrupts = interrupts(&now, &before, elapsed).render(None);
        assert!(interrupts.lines().nth(1).unwrap().contains("  123456  123456  "), "{interrupts}");
    }

    #[test]
    fn times_and_percentiles() {
        let shown: Vec<_> = [0, 999, 1000, 9_970, 1_500_000_000].into_iter().map(time).collect();
        assert_eq!(shown, ["0", "999 ns", "1.0 µs", "10 µs", "1.5 s"]);
        assert_eq!((percentile(&[], 0.5), percentile(&[3], 0.99)), (0, 3));
        assert_eq!((percentile(&[1, 2, 3, 4], 0.5), percentile(&[1, 2, 3, 4], 0.99)), (2, 4));
    }
}
