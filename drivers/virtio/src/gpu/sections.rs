//! The ways into what the handlers own.

use dirql::Result;
use dirql::interrupt::{Interrupts, Mode, Vector};
use dirql::synchronize::SyncError;

use super::state::State;
use crate::lifecycle;
use crate::transport::vectors::Plan;

/// What a vector can tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Other displays.
    Config,
    /// The control queue.
    Control,
    /// The cursor queue.
    Cursor,
}

/// Which vector tells of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    pub(super) mode: Mode,
    pub(super) plan: Option<Plan>,
}

impl Wiring {
    /// How many vectors there are.
    pub fn vectors(&self) -> u16 {
        self.plan.as_ref().map_or(1, Plan::vectors)
    }

    /// The vector of a part.
    pub fn of(&self, part: Part) -> u16 {
        self.assigned(part).unwrap_or(0)
    }

    /// As the device is told; `None` with INTx.
    pub(super) fn assigned(&self, part: Part) -> Option<u16> {
        let plan = self.plan.as_ref()?;
        match part {
            Part::Config => Some(plan.config),
            Part::Control => plan.queues.first().copied(),
            Part::Cursor => plan.queues.get(1).copied(),
        }
    }
}

/// The way into the states of a device's vectors, each serialized with its handler: `synchronize` in whichever words.
pub trait Sections: Send {
    /// Runs `routine` once, on this thread, with the state of the part's vector, while its handler stands still.
    ///
    /// # Errors
    /// As [`Vector::synchronize`]. On every error `routine` has not run.
    fn enter<R>(&self, part: Part, routine: impl FnOnce(&mut State) -> R) -> Result<R, SyncError>;

    /// Disconnects all vectors, and gives their states. The device was reset.
    fn disconnect(&self) -> (Vec<State>, Result<()>);
}

/// The vectors, in their own words.
#[derive(Debug)]
pub struct Vectors {
    vectors: Vec<Vector<State>>,
    wiring: Wiring,
}

impl Vectors {
    /// Connects a handler to each vector.
    ///
    /// # Errors
    /// As [`Interrupts::connect`].
    pub fn connect(interrupts: &mut Interrupts, states: Vec<State>, wiring: Wiring) -> Result<Self> {
        let connect =
            |(index, state)| interrupts.connect(index, state, |state: &mut State, _| state.handle());
        let vectors = (0..).zip(states).map(connect).collect::<Result<_>>()?;
        Ok(Self { vectors, wiring })
    }
}

impl Sections for Vectors {
    fn enter<R>(&self, part: Part, routine: impl FnOnce(&mut State) -> R) -> Result<R, SyncError> {
        let vector = self.vectors.get(usize::from(self.wiring.of(part))).ok_or(SyncError::InvalidVector)?;
        vector.synchronize(routine)
    }

    fn disconnect(&self) -> (Vec<State>, Result<()>) {
        lifecycle::disconnect(&self.vectors)
    }
}
