//! `dirql display BDF bench`: how many page flips a second, and how long a fence takes.

use std::time::{Duration, Instant};

use dirql::class::display::{Display, Fence, Framebuffer, Mode, Rectangle};
use dirql::interrupt::VectorStatistics;
use dirql::{Error, ErrorKind, Result};
use dirql_patterns::Pattern;
use serde_json::{Value, json};

use super::fence::pass;
use super::start::{Start, on};
use crate::args;
use crate::device::Running;
use crate::output::{Outcome, Output};
use crate::picture::Picture;
use crate::signals::Stop;
use crate::table::Table;
use crate::vectors::{percentile, time};

/// Pixels of the small damage's lines, and its lines.
const SMALL: u32 = 64;
/// How many things are measured one after the other.
const PARTS: u32 = 4;

/// Measures until the time is up or the user ends it.
pub fn bench(start: &Start<'_>, args: &args::FlipBench, output: &mut Output) -> Outcome {
    let mut running = start.start()?;
    let (address, driver) = (running.address, running.driver_name);
    let before = interrupts(&running.vectors());
    let measured = measure(&mut running, args, start.stop, output);
    let interrupts = interrupts(&running.vectors()) - before;
    let (mode, damages) = running.finish(measured)?;
    if output.is_json() {
        let damages: Vec<_> = damages.iter().map(Damage::document).collect();
        return output.document(&json!({
            "address": address, "driver": driver, "mode": mode, "interrupts": interrupts, "damages": damages,
        }));
    }
    let text = table(&damages).render(None);
    output.text(&format!("{text}{interrupts} interrupts\n"))
}

/// Interrupts that arrived.
fn interrupts(vectors: &[VectorStatistics]) -> u64 {
    vectors.iter().map(|vector| vector.count).sum()
}

fn measure(
    running: &mut Running,
    args: &args::FlipBench,
    stop: &Stop,
    output: &Output,
) -> Outcome<(Mode, Vec<Damage>)> {
    let address = running.address;
    let note = |mode: Mode, connector: u32| {
        if !output.is_json() {
            output.note(format_args!("flipping {mode} on connector {connector} of {address}"));
        }
    };
    let measured = running.display().and_then(|display| flip(display, args, stop, note));
    Ok(on(address, measured)?)
}

/// What was measured of a damage.
#[derive(Debug)]
struct Damage {
    part: Rectangle,
    flips: u64,
    elapsed: Duration,
    /// How long each fence took that was alone, in nanoseconds, sorted.
    fences: Vec<u64>,
}

fn flip(
    display: &mut dyn Display,
    args: &args::FlipBench,
    stop: &Stop,
    note: impl FnOnce(Mode, u32),
) -> Result<(Mode, Vec<Damage>)> {
    let connectors = display.connectors()?;
    let connector = args.place.connector(&connectors)?;
    let mode = args.place.mode(connector)?;
    let pair = [framebuffer(display, mode, Pattern::Gradient)?, framebuffer(display, mode, Pattern::Bars)?];
    let first = display.set_mode(connector.number, &mode, &pair[0])?;
    pass(display, first, stop)?;
    note(mode, connector.number);
    let mut flipper = Flipper { display, stop, connector: connector.number, pair: &pair, shown: 0 };
    let whole = Rectangle::whole(mode.width, mode.height);
    let small = Rectangle { width: SMALL.min(mode.width), height: SMALL.min(mode.height), ..whole };
    let time = args.seconds / PARTS;
    let mut damages = Vec::new();
    for part in [whole, small] {
        let (flips, elapsed) = flipper.in_turns(part, time)?;
        let fences = flipper.alone(part, time)?;
        damages.push(Damage { part, flips, elapsed, fences });
    }
    if damages.iter().any(|damage| damage.flips == 0 || damage.fences.is_empty()) {
        let why = "it was interrupted before anything was measured";
        return Err(Error::new(ErrorKind::Failure, "measuring of flips").why(why));
    }
    Ok((mode, damages))
}

fn framebuffer(display: &mut dyn Display, mode: Mode, pattern: Pattern) -> Result<Framebuffer> {
    let framebuffer = display.create_framebuffer(mode.width, mode.height)?;
    Picture::Pattern(pattern).draw(&mut display.draw(&framebuffer)?);
    Ok(framebuffer)
}

/// Two framebuffers in turns. Nobody draws meanwhile: it is the device that is measured.
struct Flipper<'a> {
    display: &'a mut dyn Display,
    stop: &'a Stop,
    connector: u32,
    pair: &'a [Framebuffer; 2],
    shown: usize,
}

impl Flipper<'_> {
    fn next(&mut self, damage: Rectangle) -> Result<Fence> {
        self.shown = 1 - self.shown;
        self.display.page_flip(self.connector, &self.pair[self.shown], &[damage])
    }

    fn pass(&mut self, fence: Fence) -> Result<()> {
        pass(self.display, fence, self.stop)
    }

    /// One on its way while the other one is waited for; gives how many there were, and how long they took.
    fn in_turns(&mut self, damage: Rectangle, time: Duration) -> Result<(u64, Duration)> {
        let started = Instant::now();
        let (mut flips, mut before) = (0, None);
        while started.elapsed() < time && !self.stop.is_wanted() {
            let fence = self.next(damage)?;
            if let Some(before) = before.replace(fence) {
                self.pass(before)?;
                flips += 1;
            }
        }
        if let Some(last) = before {
            self.pass(last)?;
            flips += 1;
        }
        Ok((flips, started.elapsed()))
    }

    /// One after the other; gives how long each took.
    fn alone(&mut self, damage: Rectangle, time: Duration) -> Result<Vec<u64>> {
        let started = Instant::now();
        let mut times = Vec::new();
        while started.elapsed() < time && !self.stop.is_wanted() {
            let began = Instant::now();
            let fence = self.next(damage)?;
            self.pass(fence)?;
            times.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        times.sort_unstable();
        Ok(times)
    }
}

impl Damage {
    fn rate(&self) -> f64 {
        self.flips as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Of the fences, in nanoseconds.
    fn at(&self, quantile: f64) -> u64 {
        percentile(&self.fences, quantile)
    }

    fn document(&self) -> Value {
        json!({
            "damage": self.part,
            "flips": self.flips,
            "seconds": self.elapsed.as_secs_f64(),
            "rate": self.rate(),
            "bytes_per_second": self.rate() * 4.0 * f64::from(self.part.width) * f64::from(self.part.height),
            "fences": self.fences.len(),
            "fence_ns": { "p50": self.at(0.5), "p99": self.at(0.99), "max": self.at(1.0) },
        })
    }
}

fn table(damages: &[Damage]) -> Table {
    let headings = ["DAMAGE", "FLIPS", "FLIPS/s", "MiB/s", "FENCES", "FENCE p50", "p99", "max"];
    let mut table = Table::new(&headings).numbers_from(1);
    for damage in damages {
        let Rectangle { width, height, .. } = damage.part;
        let bytes = damage.rate() * 4.0 * f64::from(width) * f64::from(height);
        table.row([
            format!("{width}x{height}"),
            damage.flips.to_string(),
            format!("{:.0}", damage.rate()),
            format!("{:.0}", bytes / f64::from(1 << 20)),
            damage.fences.len().to_string(),
            time(damage.at(0.5)),
            time(damage.at(0.99)),
            time(damage.at(1.0)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;
    use crate::args::Place;

    fn bench(seconds: f64) -> args::FlipBench {
        args::FlipBench { place: Place::default(), seconds: Duration::from_secs_f64(seconds) }
    }

    #[test]
    fn both_damages_are_flipped_in_turns_and_alone() {
        let mut fake = Fake::new(&[(320, 200)]);
        let (mode, damages) = flip(&mut fake, &bench(0.2), &Stop::never(), |_, _| {}).unwrap();
        let parts: Vec<_> = damages.iter().map(|damage| (damage.part.width, damage.part.height)).collect();
        assert_eq!((mode.width, parts), (320, vec![(320, 200), (64, 64)]));
        let flips: u64 = damages.iter().map(|damage| damage.flips + damage.fences.len() as u64).sum();
        // And the one that set the mode.
        assert_eq!(fake.fences(), (flips + 1, flips + 1));
        let table = table(&damages).render(None);
        assert!(
            table.lines().count() == 3 && table.lines().all(|line| line.chars().count() <= 90),
            "{table}"
        );
        let document = damages[1].document();
        assert!(document["rate"].as_f64() > Some(0.0) && document["fence_ns"]["p50"].as_u64() > Some(0));
    }

    #[test]
    fn a_small_screen_is_damaged_as_a_whole() {
        let mut fake = Fake::new(&[(40, 30)]);
        let (_, damages) = flip(&mut fake, &bench(0.04), &Stop::never(), |_, _| {}).unwrap();
        assert!(damages.iter().all(|damage| damage.part == Rectangle::whole(40, 30)));
    }

    #[test]
    fn an_end_before_the_beginning_is_told() {
        let stop = Stop::never();
        stop.ask();
        let error = flip(&mut Fake::new(&[(320, 200)]), &bench(9.0), &stop, |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("interrupted"), "{error}");
    }
}
