//! What whoever looks from outside sees of the device.

use std::sync::Arc;
use std::time::Duration;

use dirql::class::MeterReader;
use dirql::class::net::{NetObserver, QueueCounters, Statistics};
use dirql::interrupt::Vector;
use dirql::{Error, ErrorKind, Result};

use super::NO_LINK;
use super::state::State;

/// How long they wait for the section of the link.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of a check sequence.
const CHECK: u64 = 4;

/// What was counted of all pairs.
pub fn sums(pairs: impl IntoIterator<Item = QueueCounters>) -> Statistics {
    pairs.into_iter().fold(Statistics::default(), |sums, of| Statistics {
        receive_frames: sums.receive_frames + of.receive_frames,
        receive_bytes: sums.receive_bytes + of.receive_bytes + CHECK * of.receive_frames,
        receive_errors: sums.receive_errors + of.receive_dropped,
        receive_missed: sums.receive_missed,
        transmit_frames: sums.transmit_frames + of.transmit_frames,
        transmit_bytes: sums.transmit_bytes + of.transmit_bytes + CHECK * of.transmit_frames,
    })
}

/// A look at the pairs, and at the link in its vector.
pub fn of(vector: &Arc<Vector<State>>, pairs: Vec<MeterReader<QueueCounters>>) -> NetObserver {
    let vector = Arc::downgrade(vector);
    NetObserver::new(pairs.clone(), move || {
        let stopped = || Error::new(ErrorKind::NotFound, "look at the device").why("it was stopped");
        let vector = vector.upgrade().ok_or_else(stopped)?;
        let link = vector.synchronize_timeout(LOOK, |state| match &state.failure {
            Some(failure) => Err(failure.clone()),
            None => Result::Ok(state.link().unwrap_or(NO_LINK)),
        })??;
        Ok((link, sums(pairs.iter().map(MeterReader::read))))
    })
}
