//! What a connection is, whatever its state's type.

use std::panic::Location;

use super::counters::{Late, Timing};
use super::{Histograms, VectorStatistics};
use crate::Result;
use crate::synchronize::{Member, SyncError};

/// What a connection is, whatever its state's type.
pub trait AnyVector: Send + Sync {
    /// Runs `routine`, asked for at `site`, serialized with the handler.
    fn synchronize(
        &self,
        site: &'static Location<'static>,
        routine: &mut dyn FnMut(),
    ) -> Result<(), SyncError>;
    /// Whether calls may go on.
    fn admit(&self) -> Result<(), SyncError>;
    /// The lock, as a member of a set.
    fn member(&self) -> Member<'_>;
    /// A section of a set was entered, asked for at `site`: its timing, if it is timed, for [`AnyVector::left`]. Refused
    /// where calls may not go on.
    fn entered(&self, site: &'static Location<'static>) -> Result<Option<Timing>, SyncError>;
    /// A section of a set is about to be left.
    fn left(&self, timing: Timing) -> Late;
    /// A set with this vector was refused as `Reentrant`: counts that, if this thread is in its section.
    fn reentered(&self);
    /// The routine of a set has panicked.
    fn poisoned(&self);
    /// Tells the hook who was late.
    fn tell(&self, late: Late);
    /// The real-time priority of the handler's thread, if this is one whose state has the lock at `lock`.
    fn priority_if_behind(&self, lock: *const ()) -> Option<u8>;
    /// Raises the handler's thread to the priority, if this is one whose state has the lock at `lock`.
    fn raise_if_behind(&self, lock: *const (), priority: u8) -> Result<()>;
    /// Delivers what was kept, if this is one whose state has the lock at `lock`.
    fn resume_if_behind(&self, lock: *const ()) -> Result<()>;
    /// Queues a deferred call; false where one is queued.
    fn defer(&self) -> Result<bool, SyncError>;
    /// The counters.
    fn statistics(&self) -> VectorStatistics;
    /// How long things took.
    fn histograms(&self) -> Histograms;
    /// Whether it has been disconnected for good.
    fn is_over(&self) -> bool;
}
