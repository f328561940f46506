//! The chip as a network interface.

use std::sync::Arc;
use std::time::Duration;

use dirql::class::MeterReader;
use dirql::class::net::{Filter, Link, Mac, Net, NetObserver, Offloads, Queue, QueueCounters, Statistics};
use dirql::{Error, ErrorKind, Result};

use crate::driver::{E1000, section};
use crate::statistics::Accumulator;

/// How long whoever looks from outside waits for the section of the link.
const LOOK: Duration = Duration::from_secs(1);

/// What the chip has counted, and what of it the driver dropped.
fn statistics(accumulator: &Accumulator, queues: &[MeterReader<QueueCounters>]) -> Result<Statistics> {
    let mut sums = accumulator.read()?;
    sums.receive_errors += queues.iter().map(|queue| queue.read().receive_dropped).sum::<u64>();
    Ok(sums)
}

impl Net for E1000 {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn mtu(&self) -> u32 {
        self.mtu
    }

    fn offloads(&self) -> Offloads {
        self.offloads
    }

    fn link(&self) -> Result<Link> {
        section(&self.vector, |state| Ok(state.link.report()))
    }

    fn queue(&mut self) -> &mut dyn Queue {
        // There is a first one: no chip starts with none.
        &mut self.pairs[0]
    }

    fn queues(&mut self) -> Vec<&mut dyn Queue> {
        self.pairs.iter_mut().map(|pair| pair as &mut dyn Queue).collect()
    }

    fn set_filter(&mut self, filter: &Filter) -> Result<()> {
        section(&self.vector, |state| state.filters.set(&state.bar, filter))
    }

    fn statistics(&mut self) -> Result<Statistics> {
        // A chip that has failed counts nothing any more.
        section(&self.vector, |_| Ok(()))?;
        statistics(&self.accumulator, &self.readers)
    }

    fn meters(&self) -> Option<NetObserver> {
        let (vector, accumulator) = (Arc::downgrade(&self.vector), Arc::downgrade(&self.accumulator));
        let queues = self.readers.clone();
        Some(NetObserver::new(queues.clone(), move || {
            let stopped = || Error::new(ErrorKind::NotFound, "look at the chip").why("it was stopped");
            let (vector, accumulator) = vector.upgrade().zip(accumulator.upgrade()).ok_or_else(stopped)?;
            let link = vector.synchronize_timeout(LOOK, |state| match &state.failure {
                Some(failure) => Err(failure.clone()),
                None => Ok(state.link.report()),
            })??;
            Ok((link, statistics(&accumulator, &queues)?))
        }))
    }
}
