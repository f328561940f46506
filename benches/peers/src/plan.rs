//! All contenders on all NICs, in turns.

use crate::contender::{Contender, Direction};
use crate::host;
use crate::nic::{self, Nic};
use crate::results::{Host, Results};
use crate::sample::{self, Sample, Times};
use crate::summary::{self, Slot};
use clap::{Args, ValueEnum};
use dirql_lab::{Machine, Result};
use std::time::Duration;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Only these NICs
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NIC")]
    pub devices: Vec<Nic>,

    /// Only these contenders
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHO")]
    pub only: Vec<Contender>,

    /// Only this way
    #[arg(long, value_enum, value_name = "WAY")]
    pub direction: Option<Direction>,

    /// How often each contender has its turn
    #[arg(long, default_value = "5", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,

    /// How long each turn is measured, after its first 2 seconds
    #[arg(long, default_value = "8", value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,

    /// One round of 2 seconds, to see that it works
    #[arg(long)]
    pub quick: bool,

    /// Frames a second that are offered to see whether some are lost
    #[arg(long, default_values = ["60000", "30000"], value_delimiter = ',', value_name = "N")]
    pub offered: Vec<u64>,

    /// Only the rates: nothing of losses and of who waits
    #[arg(long)]
    pub rates: bool,
}

/// The seconds that do not count.
const WARM_UP: Duration = Duration::from_secs(2);
/// A host less idle than this makes noise.
const QUIET: f64 = 0.9;

/// Measures everything that is asked for, in one boot.
pub fn run(options: &Options) -> Result<Results> {
    let nics = chosen(&options.devices);
    let contenders = chosen(&options.only);
    let directions =
        options.direction.map_or_else(|| Direction::value_variants().to_vec(), |only| vec![only]);
    let (rounds, seconds) = if options.quick { (1, 2) } else { (options.rounds.into(), options.seconds) };
    let times = Times { warm_up: WARM_UP, window: Duration::from_secs(seconds) };
    let idle_before = host::idle()?;
    if idle_before < QUIET {
        eprintln!(
            "peers: others use {:.0} % of this machine: rates will be lower, and noisy",
            100.0 * (1.0 - idle_before)
        );
    }
    let machine = nic::boot(&nics)?;
    let mut run = Run { machine: &machine, results: Results::default() };
    run.results.host = Host {
        processors: std::thread::available_parallelism()?.get(),
        idle_before,
        guest_kernel: machine.root("uname -r")?.ok()?.text().trim().to_owned(),
        rounds,
        seconds,
    };
    for round in 0..rounds {
        for &nic in &nics {
            for &direction in &directions {
                // Each time another one comes first.
                for turn in 0..contenders.len() {
                    let contender = contenders[(turn + round) % contenders.len()];
                    let what =
                        format!("round {}: {} {direction:?} {}", round + 1, nic.name(), contender.name());
                    let sample =
                        run.take(&what, |machine| sample::rate(machine, nic, direction, contender, times));
                    run.results.samples.extend(sample.map(|sample| Slot {
                        nic,
                        direction,
                        contender,
                        round,
                        sample,
                    }));
                }
            }
        }
    }
    if !options.rates {
        for &nic in &nics {
            for &contender in &contenders {
                run.modest(nic, contender, times, &options.offered);
            }
        }
    }
    let mut results = run.results;
    results.rates = summary::rows(&results.samples);
    Ok(results)
}

struct Run<'a> {
    machine: &'a Machine,
    results: Results,
}

impl Run<'_> {
    fn modest(&mut self, nic: Nic, contender: Contender, times: Times, offered: &[u64]) {
        let slot = |sample| Slot { nic, direction: Direction::Receive, contender, round: 0, sample };
        for &offered in offered {
            let what = format!("{offered}/s offered: {} {}", nic.name(), contender.name());
            let sample = self.take(&what, |machine| sample::loss(machine, nic, contender, times, offered));
            self.results.losses.extend(sample.map(slot));
        }
        if matches!(contender, Contender::Block | Contender::Adaptive) {
            let what = format!("idle: {} {}", nic.name(), contender.name());
            let sample = self.take(&what, |machine| sample::idle(machine, nic, contender));
            self.results.idle.extend(sample.map(slot));
        }
    }

    /// Takes a sample and says so; one that fails is written down, and the others go on.
    fn take(&mut self, what: &str, sample: impl FnOnce(&Machine) -> Result<Sample>) -> Option<Sample> {
        match sample(self.machine) {
            Ok(sample) => {
                let own = sample.said.rate.or(sample.counted).unwrap_or(0.0);
                eprintln!(
                    "peers: {what}: {:.0}/s, by its own count {own:.0}/s; the host was idle {:.0} %",
                    sample.rate,
                    100.0 * sample.host_idle
                );
                Some(sample)
            }
            Err(error) => {
                eprintln!("peers: {what}: {error}");
                self.results.failures.push(format!("{what}: {error}"));
                None
            }
        }
    }
}

fn chosen<T: ValueEnum>(chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() { T::value_variants().to_vec() } else { chosen.to_vec() }
}
