//! A picture of latencies: a histogram over a logarithmic axis, as SVG.

use std::fmt::Write as _;

use crate::vectors::{percentile, time};

/// The picture, in pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
/// The field of the bars in it.
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 128.0;
const BOTTOM: f64 = HEIGHT - 60.0;
/// How wide a bar is.
const BAR: f64 = 6.0;
/// From one label of a quantile to the next below it.
const LINE: f64 = 18.0;

/// What is marked, from the top.
const QUANTILES: [(&str, f64); 3] = [("p99.9", 0.999), ("p99", 0.99), ("p50", 0.5)];

/// Colours for light and for dark.
const STYLE: &str = "\
text{font-family:system-ui,sans-serif;font-size:13px;fill:#333}
.title{font-size:17px;font-weight:600;fill:#111}
.paper{fill:#fff}
.bar{fill:#3b7dd8}
.grid{stroke:#ddd}
.axis{stroke:#888}
.mark{stroke:#c2410c;stroke-dasharray:4 3}
.label{fill:#c2410c;font-weight:600}
@media (prefers-color-scheme:dark){
text{fill:#bbb}
.title{fill:#eee}
.paper{fill:#16181d}
.bar{fill:#5b9cf0}
.grid{stroke:#333}
.axis{stroke:#777}
.mark{stroke:#fb923c}
.label{fill:#fb923c}
}
";

/// Draws latencies in nanoseconds, sorted, as a picture with a title and a line below it.
pub fn latencies(title: &str, subtitle: &str, sorted: &[u64]) -> String {
    let axis = Axis::of(sorted);
    let bars = bars(sorted, &axis);
    let highest = bars.iter().copied().max().unwrap_or(0).max(1);
    let step = tick_step(highest);
    let full = highest.div_ceil(step) * step;
    let y = |count: u64| BOTTOM - (BOTTOM - TOP) * count as f64 / full as f64;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n"
    );
    text(&mut svg, LEFT, 32.0, "start", "title", title);
    text(&mut svg, LEFT, 54.0, "start", "", subtitle);
    for count in (0..=full).step_by(step as usize) {
        line(&mut svg, "grid", (LEFT, y(count)), (RIGHT, y(count)));
        text(&mut svg, LEFT - 8.0, y(count) + 4.5, "end", "", &count.to_string());
    }
    for (ns, labelled) in axis.ticks() {
        let x = axis.x(ns as f64);
        line(&mut svg, "axis", (x, BOTTOM), (x, BOTTOM + if labelled { 7.0 } else { 4.0 }));
        if labelled {
            text(&mut svg, x, BOTTOM + 22.0, "middle", "", &tick(ns));
        }
    }
    for (index, &count) in bars.iter().enumerate().filter(|(_, count)| **count > 0) {
        // What is there is seen.
        let height = (BOTTOM - y(count)).max(1.5);
        let (x, top) = (LEFT + BAR * index as f64 + 0.5, BOTTOM - height);
        let _ = writeln!(
            svg,
            "<rect class=\"bar\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{}\" height=\"{height:.1}\"/>",
            BAR - 1.0
        );
    }
    line(&mut svg, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    for (index, (name, quantile)) in QUANTILES.into_iter().enumerate().filter(|_| !sorted.is_empty()) {
        let ns = percentile(sorted, quantile);
        let (x, top) = (axis.x(ns as f64), TOP - LINE * (QUANTILES.len() - index) as f64 + 2.0);
        line(&mut svg, "mark", (x, top), (x, BOTTOM));
        let (anchor, at) = if x > (LEFT + RIGHT) / 2.0 { ("end", x - 6.0) } else { ("start", x + 6.0) };
        text(&mut svg, at, top + 9.0, anchor, "label", &format!("{name} {}", time(ns)));
    }
    let middle = (LEFT + RIGHT) / 2.0;
    text(
        &mut svg,
        middle,
        HEIGHT - 14.0,
        "middle",
        "",
        "from raising the interrupt to its handler (logarithmic)",
    );
    text(&mut svg, LEFT - 8.0, TOP - 14.0, "end", "", "count");
    svg + "</svg>\n"
}

/// How many of the values are in each bar.
fn bars(sorted: &[u64], axis: &Axis) -> Vec<u64> {
    let mut bars = vec![0; ((RIGHT - LEFT) / BAR) as usize];
    let last = bars.len() - 1;
    for &ns in sorted {
        let index = ((axis.x(ns as f64) - LEFT) / BAR) as usize;
        bars[index.min(last)] += 1;
    }
    bars
}

/// A logarithmic axis of times.
struct Axis {
    first: f64,
    last: f64,
}

impl Axis {
    /// Around the values, with a little room on both sides, and never shorter than from 1 to 4.
    fn of(sorted: &[u64]) -> Self {
        let end = |value: Option<&u64>| (value.copied().unwrap_or(1000).max(1) as f64).ln();
        let (first, last) = (end(sorted.first()), end(sorted.last()));
        let room = (last - first).mul_add(0.04, 0.05).max((4.0_f64.ln() - (last - first)) / 2.0);
        Self { first: first - room, last: last + room }
    }

    fn x(&self, ns: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (ns.max(1e-3).ln() - self.first) / (self.last - self.first)
    }

    /// 1, 2 and 5 of each power of ten that lies on the axis, and whether there is room to label it.
    fn ticks(&self) -> Vec<(u64, bool)> {
        let decades = (self.last - self.first) / 10.0_f64.ln();
        let on = |ns: &u64| (self.first..=self.last).contains(&(*ns as f64).ln());
        let all = (0..12).flat_map(|power| [1, 2, 5].map(|digit| (digit, digit * 10_u64.pow(power))));
        all.filter(|(_, ns)| on(ns)).map(|(digit, ns)| (ns, decades < 4.0 || digit == 1)).collect()
    }
}

/// 1, 2 or 5 times a power of ten, so that there are some five steps up to the highest.
fn tick_step(highest: u64) -> u64 {
    let steps = (0..18).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    steps.into_iter().find(|step| highest.div_ceil(*step) <= 5).unwrap_or(u64::MAX)
}

/// A tick's name: a time that needs no fraction.
fn tick(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many elements of this kind there are.
    fn count(svg: &str, element: &str) -> usize {
        svg.matches(element).count()
    }

    #[test]
    fn marks_what_it_is_for() {
        let mut values: Vec<u64> = (0..1000).map(|i| 3_000 + i * 3).collect();
        values.push(900_000);
        let svg = latencies("<a> & b", "1001 interrupts", &values);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("&lt;a&gt; &amp; b") && !svg.contains("<a>"), "{svg}");
        for words in ["p50 4.5 µs", "p99 6.0 µs", "p99.9 6.0 µs", ">10 µs<", ">100 µs<"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        assert_eq!(count(&svg, "class=\"mark\""), 3);
        assert_eq!(count(&svg, "<text"), count(&svg, "</text>"));
        // Nothing is drawn outside of the picture.
        let outside = |number: &str| number.parse::<f64>().is_ok_and(|x| !(0.0..=WIDTH).contains(&x));
        assert!(!svg.split('"').any(outside), "{svg}");
    }

    #[test]
    fn every_value_is_in_a_bar() {
        for values in [&[7][..], &[5; 100], &[1, 60_000_000_000], &[999, 1000, 1001], &[0, 0]] {
            let axis = Axis::of(values);
            assert_eq!(bars(values, &axis).iter().sum::<u64>(), values.len() as u64);
            assert!(!axis.ticks().is_empty(), "{values:?}");
        }
        assert_eq!(count(&latencies("", "", &[]), "class=\"mark\""), 0);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([1, 5, 6, 49, 51, 900].map(tick_step), [1, 1, 2, 10, 20, 200]);
        assert_eq!([1, 500, 2_000, 50_000_000].map(tick), ["1 ns", "500 ns", "2 µs", "50 ms"]);
    }
}
