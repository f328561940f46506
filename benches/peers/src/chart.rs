//! The rates as a picture: a field for each NIC and way, a bar for each contender, as SVG.

use crate::contender::{Contender, Direction};
use crate::nic::Nic;
use crate::summary::Row;
use clap::ValueEnum;
use std::fmt::Write as _;

/// The picture, in pixels.
const WIDTH: f64 = 900.0;
/// Above the first field.
const TOP: f64 = 84.0;
/// A field: its width, and the height of its title and of each bar.
const FIELD: f64 = WIDTH / 2.0;
const TITLE: f64 = 30.0;
const BAR: f64 = 22.0;
const GAP: f64 = 24.0;
/// In a field: where bars begin, and how long the longest is.
const NAMES: f64 = 96.0;
const LONGEST: f64 = FIELD - NAMES - 150.0;

/// Colours for light and for dark.
const STYLE: &str = "\
text{font-family:system-ui,sans-serif;font-size:13px;fill:#333}
.title{font-size:17px;font-weight:600;fill:#111}
.field{font-weight:600}
.paper{fill:#fff}
.ours{fill:#3b7dd8}
.peer{fill:#c2410c}
.kernel{fill:#8a8f98}
.axis{stroke:#888}
@media (prefers-color-scheme:dark){
text{fill:#bbb}
.title{fill:#eee}
.paper{fill:#16181d}
.ours{fill:#5b9cf0}
.peer{fill:#fb923c}
.kernel{fill:#7b818c}
.axis{stroke:#777}
}
";

/// Draws the rates.
pub fn of(rows: &[Row]) -> String {
    let nics: Vec<Nic> =
        Nic::value_variants().iter().copied().filter(|nic| rows.iter().any(|row| row.nic == *nic)).collect();
    let most = Contender::value_variants().len() as f64;
    let field = TITLE + most * BAR + GAP;
    let height = TOP + nics.len() as f64 * field;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    text(
        &mut svg,
        24.0,
        34.0,
        "start",
        "title",
        "Frames a second, 60 bytes each, counted outside of the machine",
    );
    text(
        &mut svg,
        24.0,
        58.0,
        "start",
        "",
        "in brackets the multiple of testpmd's rate; medians of the rounds",
    );
    for (place, &nic) in nics.iter().enumerate() {
        for (column, direction) in [Direction::Transmit, Direction::Receive].into_iter().enumerate() {
            let (left, top) = (column as f64 * FIELD, TOP + place as f64 * field);
            let rows: Vec<&Row> =
                rows.iter().filter(|row| (row.nic, row.direction) == (nic, direction)).collect();
            draw(&mut svg, left, top, &rows);
            let way = if direction == Direction::Transmit { "transmit" } else { "receive" };
            text(&mut svg, left + 24.0, top + 16.0, "start", "field", &format!("{}, {way}", nic.name()));
        }
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, left: f64, top: f64, rows: &[&Row]) {
    let longest = rows.iter().map(|row| row.rate).fold(1.0, f64::max);
    let x = left + NAMES;
    for (index, row) in rows.iter().enumerate() {
        let y = top + TITLE + index as f64 * BAR;
        let width = (LONGEST * row.rate / longest).max(1.0);
        let class = match row.contender {
            Contender::Testpmd => "peer",
            Contender::Kernel => "kernel",
            _ => "ours",
        };
        let bar = BAR - 6.0;
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{bar:.1}\"/>"
        );
        text(svg, x - 8.0, y + 12.5, "end", "", row.contender.name());
        let ratio = row.of_testpmd.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
        text(svg, x + width + 8.0, y + 12.5, "start", "", &format!("{:.1} k{ratio}", row.rate / 1e3));
    }
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>",
        top + TITLE - 3.0,
        top + TITLE + rows.len() as f64 * BAR - 3.0
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(nic: Nic, contender: Contender, rate: f64) -> Row {
        Row {
            nic,
            direction: Direction::Receive,
            contender,
            rate,
            least: rate,
            most: rate,
            own: None,
            guest_us: 1.0,
            process_us: None,
            doorbells: None,
            of_testpmd: (contender == Contender::Poll).then_some(1.25),
            of_kernel: None,
        }
    }

    #[test]
    fn each_row_is_a_bar_in_its_field() {
        let svg = of(&[
            row(Nic::E1000, Contender::Poll, 125_000.0),
            row(Nic::E1000, Contender::Testpmd, 100_000.0),
            row(Nic::VirtioNet, Contender::Kernel, 0.0),
        ]);
        for words in ["125.0 k (1.25)", "100.0 k", "e1000, receive", "virtio-net, transmit", "class=\"peer\""]
        {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        // The paper, and three bars, of which the one of nothing is seen too.
        assert_eq!(svg.matches("<rect").count(), 4);
        assert!(!svg.contains("width=\"0.0\"") && !svg.contains(">e1000e, "), "{svg}");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        let outside = |number: &str| number.parse::<f64>().is_ok_and(|x| !(0.0..=WIDTH).contains(&x));
        assert!(!svg.split('"').any(outside), "{svg}");
    }
}
