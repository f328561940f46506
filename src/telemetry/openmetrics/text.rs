//! The lines of OpenMetrics text.

use std::collections::HashSet;
use std::fmt::{Display, Write as _};

use super::super::report::{Report, Times};

/// What begins every name.
const PREFIX: &str = "dirql_";

/// A sample's labels.
#[derive(Debug, Clone)]
pub struct Labels(String);

impl Labels {
    /// Those of everything that a report tells.
    pub fn of(report: &Report) -> Self {
        let labels = Self(String::new()).with("device", report.address);
        labels.with("driver", report.driver.as_deref().unwrap_or_default())
    }

    /// These and another.
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0 += name;
        self.0 += "=\"";
        for character in value.to_string().chars() {
            match character {
                '\\' => self.0 += r"\\",
                '"' => self.0 += r#"\""#,
                '\n' => self.0 += r"\n",
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

/// The text. Families without samples are left out.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// A family of counters.
    pub fn counter(&mut self, name: &str, help: &str, samples: impl Iterator<Item = (Labels, u64)>) {
        self.family(name, "counter", help, samples, |name, Labels(labels), value| {
            format!("{name}_total{{{labels}}} {value}\n")
        });
    }

    /// A family of what goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, samples: impl Iterator<Item = (Labels, f64)>) {
        self.family(name, "gauge", help, samples, |name, Labels(labels), value| {
            format!("{name}{{{labels}}} {value}\n")
        });
    }

    /// A family of times by their size, in seconds.
    pub fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl Iterator<Item = (Labels, &'a Times)>,
    ) {
        self.family(name, "histogram", help, samples, |name, labels, times| {
            let seconds = |ns: u64| ns as f64 / 1e9;
            let mut text = String::new();
            let mut bucket = |le: &dyn Display, count: u64| {
                let Labels(labels) = labels.clone().with("le", le);
                // A string takes all that is written.
                let _ = writeln!(text, "{name}_bucket{{{labels}}} {count}");
            };
            // Each holds those before it, whatever the program says.
            let (mut bound, mut count) = (0, 0);
            for shorter in &times.shorter {
                if shorter.than_ns > bound {
                    (bound, count) = (shorter.than_ns, shorter.count.max(count));
                    bucket(&seconds(bound), count);
                }
            }
            let count = times.count.max(count);
            bucket(&"+Inf", count);
            let Labels(labels) = labels;
            let sum = seconds(times.sum_ns);
            text + &format!("{name}_count{{{labels}}} {count}\n{name}_sum{{{labels}}} {sum}\n")
        });
    }

    /// A family; no two samples of it have the same labels.
    fn family<T>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl Iterator<Item = (Labels, T)>,
        line: impl Fn(&str, &Labels, T) -> String,
    ) {
        let (name, mut seen) = (format!("{PREFIX}{name}"), HashSet::new());
        for (labels, value) in samples {
            if seen.is_empty() {
                self.0 += &format!("# TYPE {name} {kind}\n");
                if let Some(unit) = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)) {
                    self.0 += &format!("# UNIT {name} {unit}\n");
                }
                self.0 += &format!("# HELP {name} {help}\n");
            }
            if seen.insert(labels.0.clone()) {
                self.0 += &line(&name, &labels, value);
            }
        }
    }

    /// The whole.
    pub fn end(mut self) -> String {
        self.0 += "# EOF\n";
        self.0
    }
}
