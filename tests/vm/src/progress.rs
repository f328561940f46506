//! What takes long says so: a spinner on a terminal, a line elsewhere.

use crate::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Does something that takes long, and tells how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = if io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let bar = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        let result = work();
        bar.finish_and_clear();
        result
    } else {
        eprintln!("lab: {what}");
        work()
    };
    let end = if result.is_ok() { "done" } else { "failed" };
    eprintln!("lab: {what}: {end} after {:.1} s", start.elapsed().as_secs_f64());
    result
}
