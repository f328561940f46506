//! Criterion's unit of measurement here: a ratio.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// How many times as long as the contender. Criterion takes it for a time, and divides it by the iterations: what it is
/// given for `n` rounds is their ratio, `n` times.
pub struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    /// A ratio needs two contenders, so that only `iter_custom` can make one.
    fn end(&self, (): ()) -> f64 {
        f64::NAN
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Times
    }
}

struct Times;

impl ValueFormatter for Times {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_throughputs(&self, _typical: f64, _per: &Throughput, _values: &mut [f64]) -> &'static str {
        "×"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "×"
    }
}
