//! Who is connected, by index.

use std::sync::{Arc, Mutex};

use super::any_vector::AnyVector;
use crate::synchronize::{SyncError, fork_count, unpoisoned};

type Connections = Arc<[Arc<dyn AnyVector>]>;

/// Who is connected, by index. A connection is in its slot until it has ended.
pub struct Slots {
    count: u16,
    /// Forks before: more, and this is a child, where the lock may be another thread's for ever.
    forks: u32,
    inner: Mutex<Inner>,
}

struct Inner {
    by_index: Vec<Option<Arc<dyn AnyVector>>>,
    /// The same without gaps, made anew with each change: whoever looks at all of them takes no more than this.
    connected: Connections,
}

impl Slots {
    pub fn new(count: u16) -> Self {
        let inner = Inner { by_index: vec![None; count.into()], connected: Arc::default() };
        Self { count, forks: fork_count(), inner: Mutex::new(inner) }
    }

    pub fn count(&self) -> u16 {
        self.count
    }

    /// The connection of an index.
    pub fn get(&self, index: u16) -> Result<Arc<dyn AnyVector>, SyncError> {
        if index >= self.count {
            return Err(SyncError::InvalidVector);
        }
        if self.is_forked() {
            return Err(SyncError::Forked);
        }
        let slot = unpoisoned(&self.inner).by_index.get(usize::from(index)).cloned().flatten();
        match slot {
            Some(vector) if !vector.is_over() => Ok(vector),
            _ => Err(SyncError::NotConnected),
        }
    }

    /// The connections of these indices, each once. A bad index is told before one that is not connected.
    pub fn get_each(&self, indices: &[u16]) -> Result<Vec<Arc<dyn AnyVector>>, SyncError> {
        if indices.iter().any(|&index| index >= self.count) {
            return Err(SyncError::InvalidVector);
        }
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().map(|index| self.get(index)).collect()
    }

    /// Every connection, by index; none in a child. They are used outside the slots' own lock.
    pub fn connected(&self) -> Connections {
        if self.is_forked() {
            return Connections::default();
        }
        unpoisoned(&self.inner).connected.clone()
    }

    pub fn enter(&self, index: u16, vector: Arc<dyn AnyVector>) {
        self.change(index, |slot| slot.replace(vector));
    }

    /// The connection at `address` has ended.
    pub fn leave(&self, index: u16, address: *const ()) {
        self.change(index, |slot| slot.take_if(|vector| std::ptr::eq(Arc::as_ptr(vector).cast(), address)));
    }

    fn is_forked(&self) -> bool {
        fork_count() != self.forks
    }

    fn change(
        &self,
        index: u16,
        change: impl FnOnce(&mut Option<Arc<dyn AnyVector>>) -> Option<Arc<dyn AnyVector>>,
    ) {
        let mut inner = unpoisoned(&self.inner);
        let Some(slot) = inner.by_index.get_mut(usize::from(index)) else { return };
        let before = change(slot);
        let connected = inner.by_index.iter().flatten().cloned().collect();
        let others = std::mem::replace(&mut inner.connected, connected);
        // The last owner of a connection drops what its handler owned: not under the lock.
        drop(inner);
        drop((before, others));
    }
}
