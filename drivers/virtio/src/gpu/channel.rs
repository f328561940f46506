//! Commands to the device, and their answers, over whatever way there is into its sections.

use std::time::{Duration, Instant};

use dirql::{Address, Error, ErrorKind, Result};

use super::backing::Backing;
use super::command::{Answer, Command, Format};
use super::control::Control;
use super::resource::{LONGEST, Resource, bytes, next_id};
use super::sections::{Part, Sections};
use super::setup::Foundation;
use super::state::State;

/// How long the device may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// The way to a running device.
#[derive(Debug)]
pub(super) struct Channel<S: Sections> {
    pub sections: S,
    pub foundation: Foundation,
}

impl<S: Sections> Channel<S> {
    /// Whose it is.
    pub fn address(&self) -> Address {
        self.foundation.device.address()
    }

    /// Runs `routine` serialized with the handler of a part, unless the device has failed.
    pub fn section<R>(&self, part: Part, routine: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
        self.foundation.signals.check()?;
        self.sections.enter(part, routine)?.map_err(|error| error.on(self.address()))
    }

    pub fn control<R>(&self, routine: impl FnOnce(&mut Control) -> Result<R>) -> Result<R> {
        self.section(Part::Control, |state| routine(state.control()?))
    }

    /// Looks into the control queue's state until something is found: at first, and after each answer. `None` where
    /// `timeout` went by.
    pub fn wait_for<R>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut Control) -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let found = self.control(|control| {
                let found = look(control)?;
                if found.is_none() {
                    control.expect();
                }
                Ok(found)
            })?;
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if found.is_some() || left.is_zero() {
                return Ok(found);
            }
            self.foundation.signals.answered.wait_all(left);
        }
    }

    /// As [`Channel::wait_for`], where the device has to come to an end.
    pub fn expect<R>(&self, look: impl FnMut(&mut Control) -> Result<Option<R>>) -> Result<R> {
        let found = self.wait_for(TIMEOUT, look)?;
        found.ok_or_else(|| self.unanswered(self.control(|control| Ok(control.outstanding())).unwrap_or(0)))
    }

    fn unanswered(&self, outstanding: u16) -> Error {
        let why = format!("the device has not answered within {} s", TIMEOUT.as_secs());
        let rings = format!("the control queue has {outstanding} commands that are not answered");
        let error = Error::new(ErrorKind::Device, "wait for the control queue").why(why);
        self.foundation.device.explain_silence(error, &rings)
    }

    /// Gives a command and waits for the answer.
    pub fn ask(&self, command: Command) -> Result<Answer> {
        let id = self.expect(|control| control.ask(command))?;
        self.answer(id)
    }

    fn answer(&self, id: u64) -> Result<Answer> {
        self.expect(|control| Ok(control.take(id)))?
    }

    /// A resource of so many pixels, all zero, with its memory.
    pub fn create(&self, (width, height): (u32, u32), format: Format) -> Result<Resource> {
        let refuse = || {
            Error::new(ErrorKind::InvalidArgument, "making of a framebuffer")
                .on(self.address())
                .why(format!("{width}x{height} is not a size of 1 to {LONGEST} each way and less than 4 GiB"))
        };
        let len = bytes(width, height).ok_or_else(refuse)?;
        let memory = self.foundation.dma.buffer(len as usize)?;
        let id = next_id();
        self.ask(Command::ResourceCreate2d { resource: id, format, width, height })?;
        let backing = Backing::new(id, memory);
        let at = backing.iova();
        let resource = Resource { id, size: (width, height), backing, fence: None };
        match self.ask(Command::ResourceAttachBacking { resource: id, at, len }) {
            Ok(_) => Ok(resource),
            Err(error) => {
                self.release(resource, false).unwrap_or_else(|error| log::warn!("virtio-gpu: {error}"));
                Err(error)
            }
        }
    }

    /// Gives a resource back, and its memory once the device has let go of it.
    pub fn release(&self, resource: Resource, attached: bool) -> Result<()> {
        let Resource { id, backing, .. } = resource;
        let mut backing = Some(backing);
        let [first, second] = self.expect(|control| control.release(id, &mut backing, attached))?;
        let detached = self.answer(first);
        if first == second {
            return detached.map(drop);
        }
        let forgotten = self.answer(second);
        detached.and(forgotten).map(drop)
    }
}
