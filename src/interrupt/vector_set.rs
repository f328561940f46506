//! The sections of several vectors at once.

use std::panic::Location;
use std::sync::Arc;

use super::Vector;
use super::any_vector::AnyVector;
use super::controller::Controller;
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

/// Runs `routine`, asked for at `site`, in the sections of these vectors.
pub fn of_each<R>(
    controller: &Controller,
    indices: &[u16],
    site: &'static Location<'static>,
    routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
) -> Result<R, SyncError> {
    let vectors = controller.slots().get_each(indices)?;
    let admit_all = || vectors.iter().try_for_each(|vector| vector.admit());
    admit_all()?;
    // Once more inside: one may have been disconnected while this thread waited.
    synchronize(&vectors, controller, admit_all, site, routine)
}

/// Runs `routine`, asked for at `site`, in the sections of all vectors that are connected.
pub fn of_all<R>(
    controller: &Controller,
    site: &'static Location<'static>,
    routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
) -> Result<R, SyncError> {
    synchronize(&controller.slots().connected(), controller, || Ok(()), site, routine)
}

fn synchronize<R>(
    vectors: &[Arc<dyn AnyVector>],
    controller: &Controller,
    admit: impl FnOnce() -> Result<(), SyncError>,
    site: &'static Location<'static>,
    routine: impl FnOnce(&mut VectorSet<'_, '_>) -> R,
) -> Result<R, SyncError> {
    let members: Vec<Member<'_>> = vectors.iter().map(|vector| vector.member()).collect();
    controller.presence().check()?;
    let entered = synchronize_set(&members, |held| {
        controller.presence().check()?;
        admit()?;
        // Few are timed. One that is being disconnected waits for this section to end, and is not of the set.
        let mut timed = Vec::new();
        for vector in vectors {
            if let Ok(Some(timing)) = vector.entered(site) {
                timed.push((vector, timing));
            }
        }
        let poisoning = Poisoning(vectors);
        let result = routine(&mut VectorSet { held });
        std::mem::forget(poisoning);
        let late: Vec<_> = timed.into_iter().map(|(vector, timing)| (vector, vector.left(timing))).collect();
        Ok((result, late))
    });
    if let Err(SyncError::Reentrant) = entered {
        vectors.iter().for_each(|vector| vector.reentered());
    }
    let (result, late) = entered??;
    late.into_iter().for_each(|(vector, late)| vector.tell(late));
    Ok(result)
}

/// Counts the panic that drops it.
struct Poisoning<'a>(&'a [Arc<dyn AnyVector>]);

impl Drop for Poisoning<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|vector| vector.poisoned());
    }
}
