//! The results as text.

use crate::contender::Direction;
use crate::results::Results;
use crate::summary::Row;
use std::fmt::Write as _;

/// The results as tables in Markdown.
pub fn of(results: &Results) -> String {
    let mut text = String::new();
    for direction in [Direction::Transmit, Direction::Receive] {
        let rows: Vec<&Row> = results.rates.iter().filter(|row| row.direction == direction).collect();
        if !rows.is_empty() {
            let title = match direction {
                Direction::Transmit => "Transmit",
                Direction::Receive => "Receive",
            };
            rates(&mut text, title, &rows);
        }
    }
    if !results.losses.is_empty() {
        let _ = writeln!(
            text,
            "Offered less\n\n| NIC | who | offered/s | taken/s | lost | own count/s | guest CPU |"
        );
        let _ = writeln!(text, "|---|---|--:|--:|--:|--:|--:|");
        for slot in &results.losses {
            let sample = &slot.sample;
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {:.0} | {:.3} % | {} | {:.0} % |",
                slot.nic.name(),
                slot.contender.name(),
                sample.offered,
                sample.rate,
                100.0 * sample.lost / sample.offered,
                number(sample.said.rate.or(sample.counted), 0),
                100.0 * sample.guest
            );
        }
        text.push('\n');
    }
    if !results.idle.is_empty() {
        let _ = writeln!(
            text,
            "Nothing comes\n\n| NIC | who | CPU of the process | switches/s |\n|---|---|--:|--:|"
        );
        for slot in &results.idle {
            let (process, switches) = (slot.sample.process.unwrap_or(0.0), slot.sample.switches);
            let (nic, contender) = (slot.nic.name(), slot.contender.name());
            let _ = writeln!(
                text,
                "| {nic} | {contender} | {:.2} % | {} |",
                100.0 * process,
                number(switches, 1)
            );
        }
        text.push('\n');
    }
    for failure in &results.failures {
        let _ = writeln!(text, "failed: {failure}");
    }
    text
}

fn rates(text: &mut String, title: &str, rows: &[&Row]) {
    let _ = writeln!(
        text,
        "{title}\n\n| NIC | who | frames/s | least … most | own count | ÷ testpmd | ÷ kernel | guest CPU/frame | own threads | doorbells/frame |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} … {:.0} | {} | {} | {} | {:.2} µs | {} | {} |",
            row.nic.name(),
            row.contender.name(),
            row.rate,
            row.least,
            row.most,
            number(row.own, 0),
            number(row.of_testpmd, 2),
            number(row.of_kernel, 2),
            row.guest_us,
            row.process_us.map_or_else(String::new, |us| format!("{us:.2} µs")),
            number(row.doorbells, 3),
        );
    }
    text.push('\n');
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}
