//! What is counted, as rows of text.

use std::time::Duration;

use dirql::class::net::QueueCounters;
use dirql::interrupt::VectorStatistics;
use dirql::telemetry::Report;
use nix::unistd::{Uid, User};

use super::is_same;
use crate::table::Table;
use crate::vectors::time;

/// What was told before, and how long ago.
type Before<'a> = Option<(&'a [Report], Duration)>;

/// All devices, one after the other, each in 80 columns.
pub fn text(reports: &[Report], before: Before<'_>) -> String {
    reports.iter().map(|report| device(report, before)).collect::<Vec<_>>().join("\n")
}

fn device(report: &Report, before: Before<'_>) -> String {
    let Report { address, program, pid, uid, .. } = report;
    let driver = report.driver.as_ref().map(|driver| format!("  {driver}")).unwrap_or_default();
    let user = User::from_uid(Uid::from_raw(*uid)).ok().flatten().map_or(uid.to_string(), |user| user.name);
    let mut text =
        format!("{address}{driver}\n  program: {program}, process {pid}, user {user}, {}\n", since(report));
    if let Some(link) = report.net.as_ref().and_then(|net| net.link) {
        text += &format!("  link: {link}\n");
    }
    if let Some(dma) = &report.dma {
        text += &format!(
            "  DMA memory: {} KiB of {} KiB in use, mapped in {} of {}\n",
            dma.used_bytes.div_ceil(1024),
            dma.mapped_bytes.div_ceil(1024),
            dma.mappings,
            u64::from(dma.mappings) + u64::from(dma.mappings_left),
        );
    }
    let headings: &[_] =
        if before.is_some() { &["COUNTER", "TOTAL", "RATE/s"] } else { &["COUNTER", "TOTAL"] };
    let mut table = Table::new(headings).numbers_from(1);
    for (name, count) in counters(report) {
        let rate = before.map(|(before, elapsed)| rate(report, &name, count, before, elapsed));
        table.row([name, count.to_string()].into_iter().chain(rate.map(|rate| format!("{rate:.0}"))));
    }
    text += &table.render(None);
    if !report.vectors.is_empty() {
        text += "\n";
        text += &times(&report.vectors).render(None);
    }
    text
}

fn since(report: &Report) -> String {
    match report.uptime_seconds.max(0.0) as u64 {
        seconds @ 0..60 => format!("for {seconds} s"),
        seconds @ 60..3600 => format!("for {} min", seconds / 60),
        seconds => format!("for {} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// How long things took.
fn times(vectors: &[VectorStatistics]) -> Table {
    let headings = ["VECTOR", "MODE", "HANDLER p50", "p99", "max", "HOLD p50", "p99", "WAIT p99"];
    let mut table = Table::new(&headings).numbers_from(2);
    for vector in vectors {
        let (handler, synchronize) = (&vector.handler_ns, &vector.synchronize);
        let shown = [
            handler.p50,
            handler.p99,
            handler.max,
            synchronize.hold_ns.p50,
            synchronize.hold_ns.p99,
            synchronize.wait_ns.p99,
        ];
        let who = [vector.index.to_string(), vector.mode.to_string()];
        table.row(who.into_iter().chain(shown.map(time)));
    }
    table
}

/// All that only grows, by its name. Of a vector, what went wrong is left out as long as nothing did.
pub fn counters(report: &Report) -> Vec<(String, u64)> {
    let mut rows = Vec::new();
    let mut add = |name: &str, count| rows.push((name.to_owned(), count));
    if let Some(net) = &report.net {
        if let Some(of) = &net.statistics {
            add("receive frames", of.receive_frames);
            add("receive bytes", of.receive_bytes);
            add("receive errors", of.receive_errors);
            add("receive missed", of.receive_missed);
            add("transmit frames", of.transmit_frames);
            add("transmit bytes", of.transmit_bytes);
        }
        for (number, queue) in net.queues.iter().enumerate() {
            for (name, count) in queue_counters(queue) {
                add(&format!("queue {number} {name}"), count);
            }
        }
    }
    if let Some(of) = &report.display {
        add("mode sets", of.shown.mode_sets);
        add("flips", of.shown.flips);
        add("damage rectangles", of.shown.damage_rectangles);
        add("damage pixels", of.shown.damage_pixels);
        add("fences given", of.fences.given);
        add("fences passed", of.fences.passed);
    }
    if let Some(of) = &report.random {
        add("entropy reads", of.reads);
        add("entropy bytes", of.bytes);
    }
    for vector in &report.vectors {
        for (name, count, is_usual) in vector_counters(vector) {
            if is_usual || count > 0 {
                add(&format!("vector {} {name}", vector.index), count);
            }
        }
    }
    rows
}

fn queue_counters(of: &QueueCounters) -> [(&'static str, u64); 7] {
    [
        ("receive frames", of.receive_frames),
        ("receive bytes", of.receive_bytes),
        ("receive dropped", of.receive_dropped),
        ("receive doorbells", of.receive_doorbells),
        ("transmit frames", of.transmit_frames),
        ("transmit bytes", of.transmit_bytes),
        ("transmit doorbells", of.transmit_doorbells),
    ]
}

fn vector_counters(of: &VectorStatistics) -> [(&'static str, u64, bool); 9] {
    [
        ("interrupts", of.count, true),
        ("coalesced", of.coalesced, false),
        ("spurious", of.spurious, false),
        ("storms", of.storms, false),
        ("poisonings", of.poisonings, false),
        ("sections", of.synchronize.calls, true),
        ("reentries", of.synchronize.reentries, false),
        ("holds over budget", of.synchronize.over_budget, false),
        ("deferred calls", of.deferred.calls, false),
    ]
}

/// How much was added to a counter in a second since `before`, which was `elapsed` ago, by the same program.
pub fn rate(report: &Report, name: &str, count: u64, before: &[Report], elapsed: Duration) -> f64 {
    let earlier = before.iter().find(|before| is_same(before, report));
    let earlier = earlier.and_then(|earlier| counters(earlier).into_iter().find(|(other, _)| other == name));
    let since = count.saturating_sub(earlier.map_or(0, |(_, count)| count));
    since as f64 / elapsed.as_secs_f64().max(1e-3)
}
