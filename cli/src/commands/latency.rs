//! `dirql irqs BDF --histogram FILE`: from each interrupt to its handler, measured and drawn.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dirql::host::Host;
use dirql::interrupt::{Best, Handled, Interrupts, Mode, Percentiles, Vector};
use dirql::synchronize::Completion;
use dirql::{Address, Device, Error, ErrorKind, Result};
use serde_json::json;

use crate::chart;
use crate::confine::Needs;
use crate::device::open;
use crate::output::{Outcome, Output};
use crate::signals::Stop;
use crate::table::Table;
use crate::vectors::{percentile, time};

/// How long an interrupt may take.
const ARRIVAL: Duration = Duration::from_secs(2);
/// Between two interrupts: long enough for the vector's thread to wait for the next again.
const GAP: Duration = Duration::from_micros(100);

/// Raises every vector of the device so many times, and draws how long its handler took to run.
pub fn measure(
    host: &Host,
    device: &str,
    file: &Path,
    count: u32,
    stop: &Stop,
    output: &mut Output,
) -> Outcome {
    let function = host.resolve(device)?;
    let address = function.address;
    let device = open(host, &function, &Needs::output(Some(file)))?;
    let release = device.release_request();
    stop.on_release(release.clone());
    let measured = Measured::of(&device, count, stop);
    drop(device);
    if release.is_wanted() {
        return Err(release.error("measuring of latencies").into());
    }
    let measured = measured?;
    let picture = measured.picture();
    fs::write(file, picture).map_err(|error| Error::io(&error, "writing of the histogram").path(file))?;
    if output.is_json() {
        let vector = |(index, times): (usize, &Vec<u64>)| json!({ "index": index, "count": times.len(), "latency_ns": spread(times) });
        let vectors: Vec<_> = measured.vectors.iter().enumerate().map(vector).collect();
        return output.document(&json!({
            "address": address, "mode": measured.mode, "file": file, "vectors": vectors,
            "latency_ns": spread(&measured.all()),
        }));
    }
    output.text(&measured.table().render(None))
}

/// How long each interrupt took, in nanoseconds.
struct Measured {
    address: Address,
    mode: Mode,
    /// By vector, each sorted.
    vectors: Vec<Vec<u64>>,
}

impl Measured {
    fn of(device: &Device, count: u32, stop: &Stop) -> Result<Self> {
        let mut interrupts = device.interrupts(Best)?;
        let fail = |why: &str| {
            Error::new(ErrorKind::Failure, "measuring of latencies").on(device.address()).why(why)
        };
        let mode = interrupts.mode().ok_or_else(|| fail("the device has no interrupts"))?;
        let mut vectors = Vec::new();
        for index in 0..interrupts.count() {
            let mut times =
                latencies(&mut interrupts, index, count, stop).map_err(|error| error.on(device.address()))?;
            times.sort_unstable();
            vectors.push(times);
        }
        if vectors.iter().all(Vec::is_empty) {
            return Err(fail("it was interrupted before the first"));
        }
        Ok(Self { address: device.address(), mode, vectors })
    }

    fn all(&self) -> Vec<u64> {
        let mut all = self.vectors.concat();
        all.sort_unstable();
        all
    }

    fn picture(&self) -> String {
        let (all, vectors) = (self.all(), self.vectors.len());
        let title = format!("Interrupt latency of {} ({})", self.address, self.mode);
        let subtitle = match vectors {
            1 => format!("{} interrupts", all.len()),
            _ => format!("{} interrupts on {vectors} vectors", all.len()),
        };
        chart::latencies(&title, &subtitle, &all)
    }

    fn table(&self) -> Table {
        let mut table =
            Table::new(&["VECTOR", "MODE", "COUNT", "p50", "p99", "p99.9", "max"]).numbers_from(2);
        for (index, times) in self.vectors.iter().enumerate() {
            let Percentiles { p50, p99, p999, max } = spread(times);
            let (index, mode, count) = (index.to_string(), self.mode.to_string(), times.len().to_string());
            table.row([index, mode, count, time(p50), time(p99), time(p999), time(max)]);
        }
        table
    }
}

fn spread(sorted: &[u64]) -> Percentiles {
    let at = |quantile| percentile(sorted, quantile);
    Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
}

/// Raises the vector so many times, or until an end is wanted; how long each took.
fn latencies(interrupts: &mut Interrupts, index: u16, count: u32, stop: &Stop) -> Result<Vec<u64>> {
    let arrived = Completion::new();
    let raised = arrived.clone();
    let vector = interrupts.connect(index, None, move |at, _| {
        *at = Some(Instant::now());
        raised.complete();
        Handled::Yes
    })?;
    let mut times = Vec::with_capacity(count as usize);
    while times.len() < count as usize && !stop.is_wanted() {
        thread::sleep(GAP);
        times.push(latency(interrupts, &vector, &arrived)?);
    }
    vector.disconnect()?;
    Ok(times)
}

/// Raises the vector once, and waits for its handler.
fn latency(interrupts: &Interrupts, vector: &Vector<Option<Instant>>, arrived: &Completion) -> Result<u64> {
    let began = Instant::now();
    interrupts.fire(vector.index())?;
    let came = arrived.wait(ARRIVAL);
    match vector.synchronize(Option::take)?.filter(|_| came) {
        Some(at) => Ok(u64::try_from(at.saturating_duration_since(began).as_nanos()).unwrap_or(u64::MAX)),
        None => {
            let why = format!("vector {} did not arrive within {} s", vector.index(), ARRIVAL.as_secs());
            Err(Error::new(ErrorKind::Device, "measuring of latencies").why(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};

    use super::*;

    struct Silent;

    impl Model for Silent {
        fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
        fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
    }

    fn device(vectors: u16) -> Device {
        let mut config = ModelConfig::new(0x1af4, 0x1110);
        (config.intx, config.msix) = (true, vectors);
        Device::from_backend(ModelBackend::new(config, Silent)).unwrap()
    }

    #[test]
    fn measures_every_vector_and_draws_all() {
        let measured = Measured::of(&device(3), 20, &Stop::never()).unwrap();
        assert_eq!((measured.mode, measured.vectors.len()), (Mode::Msix, 3));
        assert!(measured.vectors.iter().all(|times| times.len() == 20 && times.is_sorted() && times[0] > 0));
        let picture = measured.picture();
        for words in ["Interrupt latency of 0000:00:1f.0 (msix)", "60 interrupts on 3 vectors", "p99.9 "] {
            assert!(picture.contains(words), "{words}");
        }
        let table = measured.table().render(None);
        assert!(table.lines().count() == 4 && table.contains("msix     20"), "{table}");
        // A line is raised by the kernel as well.
        assert_eq!(Measured::of(&device(0), 5, &Stop::never()).unwrap().vectors[0].len(), 5);
    }

    #[test]
    fn a_device_without_interrupts_is_told() {
        let mut config = ModelConfig::new(0x1af4, 0x1110);
        config.intx = false;
        let device = Device::from_backend(ModelBackend::new(config, Silent)).unwrap();
        assert_eq!(Measured::of(&device, 5, &Stop::never()).err().unwrap().kind(), ErrorKind::Precondition);
    }
}
