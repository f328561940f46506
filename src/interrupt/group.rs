//! One lock and one state for several vectors.

use std::sync::Arc;

use super::connection::{Ownership, State};
use super::controller::Controller;
use crate::synchronize::{Protected, Rank, SyncError};
use crate::{Error, ErrorKind, Result};

/// One lock, and one state in it, that several vectors share: none of their handlers and routines overlap.
///
/// The threads of its vectors run at one real-time priority, the highest that any of them has asked for: the group's
/// ceiling. It stays when that vector disconnects.
///
/// In lock order the group stands where its first vector does. The state stays in the group when vectors disconnect,
/// and comes out with [`LockGroup::into_inner`].
///
/// Source: the shared spin lock of `IoConnectInterruptEx` (wdm.h) and NDIS's `MsiSyncWithAllMessages`; R11 of
/// `docs/synchronize.md`.
#[derive(Debug)]
pub struct LockGroup<T: Send + 'static> {
    controller: Arc<Controller>,
    members: Vec<u16>,
    state: Arc<State<T>>,
}

impl<T: Send + 'static> LockGroup<T> {
    pub(super) fn new(controller: &Arc<Controller>, members: &[u16], state: T) -> Result<Self> {
        let refuse = |why: String| {
            Err(Error::new(ErrorKind::InvalidArgument, "making of a lock group")
                .on(controller.address())
                .why(why))
        };
        if let Some(beyond) = members.iter().find(|&&member| member >= controller.count()) {
            return refuse(format!("there is no vector {beyond}: the function has {}", controller.count()));
        }
        let Some(&first) = members.iter().min() else { return refuse("it has no vectors".into()) };
        let state = Arc::new(Protected::new(Rank::vector(controller.number(), first), Some(state)));
        Ok(Self { controller: controller.clone(), members: members.to_vec(), state })
    }

    /// The vectors that may share the state.
    pub fn members(&self) -> &[u16] {
        &self.members
    }

    /// The state, for a vector of `controller`.
    pub(super) fn share(&self, controller: &Arc<Controller>, index: u16) -> Result<Ownership<T>> {
        if Arc::ptr_eq(controller, &self.controller) && self.members.contains(&index) {
            return Ok(Ownership::Shared(self.state.clone()));
        }
        Err(Error::new(ErrorKind::InvalidArgument, format!("connecting of vector {index}"))
            .on(controller.address())
            .why(format!("the lock group is for the vectors {:?}", self.members)))
    }

    /// Takes the state out, once none of the group's vectors is connected.
    ///
    /// # Errors
    /// `Busy` where one is; `Forked` in a child. The group is dropped all the same, and its state with the last vector.
    pub fn into_inner(self) -> Result<T> {
        let fail = |error: SyncError| Error::from(error).on(self.controller.address());
        if let Some(member) = self.members.iter().find(|&&member| self.controller.slots().get(member).is_ok())
        {
            return Err(Error::new(ErrorKind::Busy, "taking of a lock group's state")
                .on(self.controller.address())
                .why(format!("vector {member} is connected")));
        }
        let mut section = self.state.enter_poisoned().map_err(fail)?;
        let state = section.take();
        section.finish();
        state.ok_or_else(|| fail(SyncError::NotConnected))
    }
}
