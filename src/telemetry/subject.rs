//! What is published of a device.

use std::time::Instant;

use super::report::{Report, VectorTimes};
use crate::Address;
use crate::class::MeterReader;
use crate::class::display::DisplayObserver;
use crate::class::net::NetObserver;
use crate::class::random::RandomCounters;
use crate::driver::Driver;
use crate::interrupt::Observer;

/// What can be looked at of a device that this program drives. It keeps nothing of it alive.
#[derive(Debug, Clone)]
pub struct Subject {
    address: Address,
    driver: Option<&'static str>,
    since: Instant,
    vectors: Option<Observer>,
    net: Option<NetObserver>,
    display: Option<DisplayObserver>,
    random: Option<MeterReader<RandomCounters>>,
}

impl Subject {
    /// All that a started driver of this name offers to look at.
    pub fn of(address: Address, name: &'static str, driver: &mut dyn Driver) -> Self {
        Self {
            address,
            driver: Some(name),
            since: Instant::now(),
            vectors: driver.observer(),
            net: driver.net().and_then(|net| net.meters()),
            display: driver.display().and_then(|display| display.meters()),
            random: driver.random().and_then(|random| random.meters()),
        }
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its vectors; `None` of a driver that has none.
    pub fn vectors(&self) -> Option<&Observer> {
        self.vectors.as_ref()
    }

    /// What was counted until now.
    pub fn report(&self) -> Report {
        let vectors = self.vectors.as_ref().map(Observer::statistics).unwrap_or_default();
        let times = self.vectors.as_ref().map(Observer::histograms).unwrap_or_default();
        let times = times.iter().filter_map(|(index, times)| {
            let vector = vectors.iter().find(|vector| vector.index == *index)?;
            Some(VectorTimes::of(vector, times))
        });
        Report {
            address: self.address,
            pid: std::process::id(),
            uid: nix::unistd::geteuid().as_raw(),
            program: crate::trace::program_name(),
            driver: self.driver.map(str::to_owned),
            uptime_seconds: self.since.elapsed().as_secs_f64(),
            times: times.collect(),
            vectors,
            dma: self.vectors.as_ref().and_then(Observer::dma),
            net: self.net.as_ref().map(NetObserver::read),
            display: self.display.as_ref().map(DisplayObserver::read),
            random: self.random.as_ref().map(MeterReader::read),
        }
    }
}

impl From<Observer> for Subject {
    /// The vectors alone.
    fn from(vectors: Observer) -> Self {
        Self {
            address: vectors.address(),
            driver: None,
            since: Instant::now(),
            vectors: Some(vectors),
            net: None,
            display: None,
            random: None,
        }
    }
}
