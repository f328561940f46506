//! Two contenders that take turns in one run: criterion measures their ratio, and a table keeps what each took.
//!
//! An iteration of criterion's is a round: a short slice of ours and one of theirs, each time another one first. A sample
//! is the median ratio of its rounds; every sample has as many rounds (flat sampling), because a ratio does not grow with
//! them and a regression over their number would mean nothing. Criterion prints the mean over the samples with its
//! confidence interval, and compares with the run before; the table at the end holds medians over all rounds.

use std::fmt;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use crate::ratio::Ratio;

/// Criterion takes no fewer samples: a row with fewer was only tried.
const SAMPLES_MIN: usize = 10;

/// A row of the table.
pub struct Row {
    /// Its name for criterion and for filters.
    pub id: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What does the same without dirql.
    pub against: &'static str,
    /// What is to be reached.
    pub bar: Bar,
}

/// What is to be reached.
pub enum Bar {
    /// No more than so many times the contender.
    Ratio(f64),
    /// No more than so many nanoseconds, whatever the contender takes.
    Time(f64),
    /// Nothing: for information.
    None,
}

impl Bar {
    fn is_met(&self, time: f64, ratio: f64) -> &'static str {
        let met = match *self {
            Self::Ratio(bar) => ratio <= bar,
            Self::Time(bar) => time <= bar,
            Self::None => return "",
        };
        if met { "yes" } else { "no" }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Ratio(bar) => write!(f, "≤ {bar}"),
            Self::Time(bar) if bar < 1e6 => write!(f, "≤ {bar} ns"),
            Self::Time(bar) => write!(f, "≤ {} ms", bar / 1e6),
            Self::None => Ok(()),
        }
    }
}

/// What both took in a round, in nanoseconds.
struct Round {
    ours: f64,
    theirs: f64,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }
}

/// All rows, in turn.
pub struct Contest {
    criterion: Criterion<Ratio>,
    table: Vec<String>,
}

impl Contest {
    /// With what `cargo bench -- …` was told.
    pub fn from_arguments() -> Self {
        let criterion = Criterion::default()
            .with_measurement(Ratio)
            .sample_size(30)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(5))
            .configure_from_args();
        Self { criterion, table: Vec::new() }
    }

    /// Measures a row: each of the two runs a slice and tells the nanoseconds that one of its operations took.
    pub fn row(&mut self, row: Row, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) {
        let mut samples: Vec<Vec<Round>> = Vec::new();
        let mut ours_first = false;
        let mut round = || {
            ours_first = !ours_first;
            if ours_first {
                let ours = ours();
                return Round { ours, theirs: theirs() };
            }
            let theirs = theirs();
            Round { ours: ours(), theirs }
        };
        let mut group = self.criterion.benchmark_group("synchronize");
        group.sampling_mode(SamplingMode::Flat).bench_function(row.id, |bencher| {
            bencher.iter_custom(|count| {
                let sample: Vec<Round> = (0..count).map(|_| round()).collect();
                let ratio = median(sample.iter().map(Round::ratio));
                samples.push(sample);
                ratio * count as f64
            });
        });
        group.finish();
        // Those of the warm-up came before, each with twice as many rounds as the one before it.
        let rounds = samples.last().map_or(0, Vec::len);
        let measured = samples.iter().rev().take_while(|sample| sample.len() == rounds).count();
        if measured >= SAMPLES_MIN {
            let rounds: Vec<&Round> = samples[samples.len() - measured..].iter().flatten().collect();
            self.table.push(line(&row, &rounds));
        }
    }

    /// Prints the table of the rows that were measured.
    pub fn finish(self) {
        self.criterion.final_summary();
        if !self.table.is_empty() {
            println!(
                "\n| what | median | against | median | ratio | bar | met |\n|---|---|---|---|---|---|---|"
            );
            self.table.iter().for_each(|line| println!("{line}"));
        }
    }
}

fn line(row: &Row, rounds: &[&Round]) -> String {
    let ours = median(rounds.iter().map(|round| round.ours));
    let theirs = median(rounds.iter().map(|round| round.theirs));
    let ratio = median(rounds.iter().map(|round| round.ratio()));
    let Row { what, against, bar, .. } = row;
    let met = bar.is_met(ours, ratio);
    format!(
        "| {what} | {} | {against} | {} | **{ratio:.2}** | {bar} | {met} |",
        Nanoseconds(ours),
        Nanoseconds(theirs)
    )
}

struct Nanoseconds(f64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            time if time < 1e3 => write!(f, "{time:.1} ns"),
            time if time < 1e6 => write!(f, "{:.2} µs", time / 1e3),
            time => write!(f, "{:.2} ms", time / 1e6),
        }
    }
}

/// The value in the middle; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
