//! The chip as a network interface.

use std::sync::atomic::Ordering;

use dirql::Result;
use dirql::class::net::{Filter, Link, Mac, Net, Offloads, Queue, Statistics};

use crate::driver::{E1000, section};

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
        let mut sums = section(&self.vector, |state| state.statistics.read(&state.bar))?;
        sums.receive_errors +=
            self.dropped.iter().map(|dropped| dropped.load(Ordering::Relaxed)).sum::<u64>();
        Ok(sums)
    }
}
