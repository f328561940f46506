//! What the interrupt handlers own: one lives in each vector. None of them touches a ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dirql::class::net::Link;
use dirql::class::net::napi::Schedule;
use dirql::interrupt::{Handled, Mode};
use dirql::{Error, ErrorKind, Result};

use super::config::Cable;
use crate::transport::Transport;
use crate::transport::register::ISR_CONFIG;

/// What a vector tells of.
#[derive(Debug)]
pub struct State {
    transport: Transport,
    mode: Mode,
    /// Changes of the configuration come by this vector.
    link: Option<LinkState>,
    /// How often the cable came back, for those who transmit.
    returns: Arc<AtomicU64>,
    /// Who waits for the queues that have this vector.
    queues: Vec<Schedule>,
    /// Everybody who waits.
    all: Vec<Schedule>,
    /// Why the handler gave up.
    pub failure: Option<Error>,
}

/// The link, as it was last seen.
#[derive(Debug, Clone, Copy)]
struct LinkState {
    cable: Cable,
    changes: u64,
    /// The configuration's, before it was read.
    generation: u8,
}

impl LinkState {
    fn read(transport: &Transport) -> Result<Self> {
        let generation = transport.generation()?;
        Ok(Self { cable: Cable::read(transport)?, changes: 0, generation })
    }
}

impl State {
    /// The state of a vector that tells of `queues`, and of the configuration where `config` holds.
    ///
    /// # Errors
    /// Where the link cannot be read.
    pub fn new(
        transport: Transport,
        mode: Mode,
        config: bool,
        returns: Arc<AtomicU64>,
        queues: Vec<Schedule>,
        all: Vec<Schedule>,
    ) -> Result<Self> {
        let link = config.then(|| LinkState::read(&transport)).transpose()?;
        Ok(Self { transport, mode, link, returns, queues, all, failure: None })
    }

    /// The interrupt handler.
    ///
    /// # Errors
    /// Where the device fails: who waits is told.
    pub fn handle(&mut self) -> Result<Handled> {
        let outcome = self.try_handle();
        if let Err(error) = &outcome {
            self.failure = Some(error.clone());
            self.all.iter().for_each(|schedule| schedule.fail(error.clone()));
        }
        outcome
    }

    fn try_handle(&mut self) -> Result<Handled> {
        let causes = self.transport.causes(self.mode)?;
        if causes == 0 {
            return Ok(Handled::No);
        }
        let changed = causes & ISR_CONFIG != 0 && self.look()?;
        let waiting = if changed { &self.all } else { &self.queues };
        waiting.iter().for_each(Schedule::schedule);
        Ok(Handled::Yes)
    }

    /// Looks at the configuration, where this vector tells of it, and says whether the link has changed.
    fn look(&mut self) -> Result<bool> {
        let Some(link) = &mut self.link else { return Ok(false) };
        if self.transport.needs_reset()? {
            return Err(Error::new(ErrorKind::Device, "handling of an interrupt").on(self.transport.address()).why(
                "register device_status says DEVICE_NEEDS_RESET: the device has found something that it cannot go on with",
            ));
        }
        // A vector that tells of queues too tells of these, mostly.
        if !self.queues.is_empty()
            && self.mode != Mode::Intx
            && self.transport.generation()? == link.generation
        {
            return Ok(false);
        }
        self.look_closely()
    }

    /// Reads the link, and says whether it has changed.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn look_closely(&mut self) -> Result<bool> {
        let Some(link) = &mut self.link else { return Ok(false) };
        let now = LinkState::read(&self.transport)?;
        let changed = now.cable.up != link.cable.up;
        // It may have been out and in again.
        if now.cable.up && (changed || now.generation != link.generation) {
            self.returns.fetch_add(1, Ordering::Release);
        }
        *link = LinkState { changes: link.changes + u64::from(changed), ..now };
        Ok(changed)
    }

    /// The link as it was last seen; `None` of a vector that does not tell of it.
    pub fn link(&self) -> Option<Link> {
        let LinkState { cable, changes, .. } = self.link?;
        let speed = if cable.up { cable.speed } else { 0 };
        Some(Link { up: cable.up, speed, full_duplex: cable.full_duplex, changes })
    }
}
