//! A device whose vectors are looked at: driven by another program, or by this one.

use std::time::{Duration, Instant};

use dirql::Result;
use dirql::driver::Settings;
use dirql::host::Host;
use dirql::interrupt::Observer;
use dirql::telemetry::{Report, Source};
use dirql::trace::Watch;

use super::run::Seen;
use crate::device::Running;
use crate::output::Outcome;
use crate::signals::Stop;

/// How many events a trace has room for.
const EVENTS: usize = 200_000;

/// Who drives the device that is looked at.
pub enum Watched {
    /// Another program, which is asked.
    Asked(Source),
    /// This one.
    Own(Box<Own>),
}

/// A device that this program has started to look at it.
pub struct Own {
    running: Running,
    seen: Seen,
    observer: Observer,
    _watch: Watch,
}

impl Watched {
    /// The program that drives the device, or the device, started here with these settings.
    ///
    /// # Errors
    /// Where there is no such device, or neither works.
    pub fn find(host: &Host, device: &str, settings: &Settings, stop: &Stop) -> Result<Self> {
        match Source::find(host.resolve(device)?.address)? {
            Some(source) => Ok(Self::Asked(source)),
            None => Self::own(Running::start(host, device, settings, stop)?),
        }
    }

    /// A device that runs already, in this program.
    ///
    /// # Errors
    /// Where its driver has nothing to look at.
    pub fn own(running: Running) -> Result<Self> {
        let observer = running.observer()?;
        let watch = observer.watch();
        Ok(Self::Own(Box::new(Own { running, seen: Seen::default(), observer, _watch: watch })))
    }

    /// Whether another program drives it.
    pub fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }

    /// What was counted until now.
    ///
    /// # Errors
    /// `NotFound` where the other program has ended, and what else it says.
    pub fn report(&self) -> Result<Report> {
        match self {
            Self::Asked(source) => source.report(),
            Self::Own(own) => Ok(own.running.subject().report()),
        }
    }

    /// Lets the device work until `then`, or until an end is wanted.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn pass(&mut self, stop: &Stop, then: Instant) -> Result<()> {
        match self {
            Self::Asked(_) => stop.sleep_until(then),
            Self::Own(own) => {
                while !stop.is_wanted() && Instant::now() < then {
                    own.seen.work(&mut own.running, stop, then)?;
                }
            }
        }
        Ok(())
    }

    /// What its threads do from now on, as Chrome's trace events in JSON.
    ///
    /// # Errors
    /// `Busy` where a trace runs; where the device fails, and what the other program says.
    pub fn trace(&mut self, duration: Duration, stop: &Stop) -> Result<Vec<u8>> {
        if let Self::Asked(source) = self {
            return source.trace(duration, || stop.is_wanted());
        }
        let Self::Own(own) = &*self else { return Ok(Vec::new()) };
        let trace = own.observer.trace(EVENTS)?;
        self.pass(stop, Instant::now() + duration)?;
        let mut file = Vec::new();
        let written = trace.finish().write_chrome_json(&mut file);
        written.map_err(|error| dirql::Error::io(&error, "writing of a trace"))?;
        Ok(file)
    }

    /// Stops the device, if this program drives it, however looking at it has gone: see [`Running::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish<T>(self, used: Outcome<T>) -> Outcome<T> {
        match self {
            Self::Asked(_) => used,
            Self::Own(own) => own.running.finish(used),
        }
    }
}

/// Where a device that does not exist may pretend to be, for tests that publish: no other test or process has it.
#[cfg(test)]
pub fn nowhere(device: u8) -> dirql::Address {
    format!("{:04x}:fe:{device:02x}.0", std::process::id() & 0xffff).parse().unwrap()
}
