//! Looking at a network interface from outside, while its queues are their threads'.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Link, QueueCounters, Statistics};
use crate::Result;
use crate::class::MeterReader;

type Look = Arc<dyn Fn() -> Result<(Link, Statistics)> + Send + Sync>;

/// A way to look at a network interface, on any thread. It keeps nothing of the device alive.
#[derive(Clone)]
pub struct NetObserver {
    queues: Vec<MeterReader<QueueCounters>>,
    look: Look,
}

impl NetObserver {
    /// Of the queues' counters, and of what `look` says of link and device: that shares the device's one accumulator with
    /// [`super::Net::statistics`], because many a device clears a counter that is read, and waits for nobody for long.
    pub fn new(
        queues: Vec<MeterReader<QueueCounters>>,
        look: impl Fn() -> Result<(Link, Statistics)> + Send + Sync + 'static,
    ) -> Self {
        Self { queues, look: Arc::new(look) }
    }

    /// What was counted until now.
    pub fn read(&self) -> NetReport {
        let seen = (self.look)().inspect_err(|error| log::debug!("{error}"));
        let (link, statistics) = seen.ok().unzip();
        NetReport { link, statistics, queues: self.queues.iter().map(MeterReader::read).collect() }
    }
}

impl fmt::Debug for NetObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetObserver").field("queues", &self.queues).finish_non_exhaustive()
    }
}

/// What was counted of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetReport {
    /// The link; `None` where the device does not tell any more.
    pub link: Option<Link>,
    /// The device's own counters; `None` likewise.
    pub statistics: Option<Statistics>,
    /// The pairs of rings.
    pub queues: Vec<QueueCounters>,
}
