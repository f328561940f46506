//! What the interrupt handlers own: one lives in each vector, with the parts that the vector tells of.

use dirql::interrupt::{Handled, Mode};
use dirql::{Error, ErrorKind, Result};

use super::config::Config;
use super::control::Control;
use super::pointer::Pointer;
use super::signals::Signals;
use crate::lifecycle::Quiet;
use crate::transport::Transport;
use crate::transport::register::ISR_CONFIG;

/// What a vector tells of.
#[derive(Debug)]
pub struct State {
    pub(super) transport: Transport,
    pub(super) mode: Mode,
    pub(super) config: Option<Config>,
    pub(super) control: Option<Control>,
    pub(super) pointer: Option<Pointer>,
    pub(super) signals: Signals,
}

impl State {
    /// The interrupt handler.
    ///
    /// # Errors
    /// Where the device fails: who waits is told.
    pub fn handle(&mut self) -> Result<Handled> {
        self.try_handle().inspect_err(|error| self.signals.fail(error.clone()))
    }

    fn try_handle(&mut self) -> Result<Handled> {
        let causes = self.transport.causes(self.mode)?;
        if causes == 0 {
            return Ok(Handled::No);
        }
        if let Some(config) = self.config.as_mut().filter(|_| causes & ISR_CONFIG != 0) {
            config.handle()?;
        }
        if let Some(control) = &mut self.control {
            control.handle()?;
        }
        if let Some(pointer) = &mut self.pointer {
            pointer.handle()?;
        }
        Ok(Handled::Yes)
    }

    /// The configuration's part.
    ///
    /// # Errors
    /// `InvalidArgument` of a vector that does not tell of it.
    pub fn config(&mut self) -> Result<&mut Config> {
        self.config.as_mut().ok_or_else(|| elsewhere("configuration"))
    }

    /// The control queue.
    ///
    /// # Errors
    /// As [`State::config`].
    pub fn control(&mut self) -> Result<&mut Control> {
        self.control.as_mut().ok_or_else(|| elsewhere("control queue"))
    }

    /// The cursor queue.
    ///
    /// # Errors
    /// As [`State::config`].
    pub fn pointer(&mut self) -> Result<&mut Pointer> {
        self.pointer.as_mut().ok_or_else(|| elsewhere("cursor queue"))
    }

    /// Takes all memory back from the device, which was stopped.
    pub(super) fn reclaim(&mut self, proof: &Quiet) {
        self.control.iter_mut().for_each(|control| control.reclaim(proof));
        self.pointer.iter_mut().for_each(Pointer::reclaim);
    }
}

fn elsewhere(part: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("look-up of the {part}")).why("another vector tells of it")
}
