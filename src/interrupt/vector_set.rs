//! The sections of several vectors at once.

use std::panic::Location;
use std::sync::Arc;

use super::Vector;
use super::controller::AnyVector;
use crate::synchronize::{Held, Member, SyncError, synchronize_set};

/// The sections of several vectors, all held by this thread: see [`super::Interrupts::synchronize_set`].
#[derive(Debug)]
pub struct VectorSet<'h, 's> {
    held: &'h mut Held<'s>,
}

impl VectorSet<'_, '_> {
    /// The state of a vector of the set, one at a time: two vectors of a group have the same. `None` for one that is not
    /// of the set.
    pub fn state<'a, T: Send + 'static>(&'a mut self, of: &'a Vector<T>) -> Option<&'a mut T> {
        self.held.state(&*of.connection.state)?.as_mut()
    }
}

/// Runs `routine`, asked for at `site`, in the sections of all `vectors`.
pub fn synchronize<R>(
    vectors: &[Arc<dyn AnyVector>],
    site: &'static Location<'static>,
    routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
) -> Result<R, SyncError> {
    let admit_all = || vectors.iter().try_for_each(|vector| vector.admit());
    admit_all()?;
    let members: Vec<Member<'_>> = vectors.iter().map(|vector| vector.member()).collect();
    let (result, late) = synchronize_set(&members, |held| {
        // Disconnected while this thread waited.
        admit_all()?;
        let timings: Vec<_> = vectors.iter().map(|vector| vector.entered(site)).collect();
        let result = routine(&mut VectorSet { held });
        let late: Vec<_> = vectors.iter().zip(timings).map(|(vector, timing)| vector.left(timing)).collect();
        Ok((result, late))
    })??;
    vectors.iter().zip(late).for_each(|(vector, late)| vector.tell(late));
    Ok(result)
}
