//! Which vector is whose, with as many as there are and the device has resources for.

use dirql::Result;

use super::Transport;

/// Which vector tells of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Changes of the configuration.
    pub config: u16,
    /// Each queue, by its place among those that are told of at all.
    pub queues: Vec<u16>,
}

impl Plan {
    /// How many vectors it has.
    pub fn vectors(&self) -> u16 {
        self.queues.iter().copied().max().unwrap_or(0).max(self.config) + 1
    }
}

/// Spreads `queues` over `vectors`, of which there is at least one. Changes of the configuration have vector 0, alone
/// where there is another; queues share the others in turn where there are too few.
///
/// ```
/// use dirql_virtio::transport::vectors::{Plan, spread};
/// assert_eq!(spread(4, 2), Plan { config: 0, queues: vec![1, 2] });
/// assert_eq!(spread(3, 4), Plan { config: 0, queues: vec![1, 2, 1, 2] });
/// assert_eq!(spread(1, 2), Plan { config: 0, queues: vec![0, 0] });
/// ```
pub fn spread(vectors: u16, queues: u16) -> Plan {
    let others = vectors.saturating_sub(1);
    let vector = |queue: u16| queue.checked_rem(others).map_or(0, |turn| 1 + turn);
    Plan { config: 0, queues: (0..queues).map(vector).collect() }
}

/// The best plan for the queues `0..queues` that the device has resources for, with at most so many vectors: one for
/// each, one for all of them beside the configuration's, one for everything. `None` where it refuses even that.
///
/// # Errors
/// Where a register cannot be accessed.
pub fn settle(transport: &Transport, vectors: u16, queues: u16) -> Result<Option<Plan>> {
    for vectors in [vectors, 2, 1].into_iter().filter(|&fewer| fewer <= vectors) {
        let plan = spread(vectors, queues);
        if transport.takes(&plan)? {
            return Ok(Some(plan));
        }
        log::warn!("virtio: {}: the device has no resources for {vectors} vectors", transport.address());
    }
    Ok(None)
}
