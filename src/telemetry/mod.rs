//! What is counted of a device that a program drives, to be asked for from outside: by `dirql stats`, `dirql irqs` and
//! `dirql trace`.
//!
//! ```no_run
//! # fn main() -> dirql::Result<()> {
//! # let interrupts = dirql::Device::open("00:03.0".parse()?)?.interrupts(dirql::interrupt::Best)?;
//! let _published = dirql::telemetry::publish(interrupts.observer())?;
//! # Ok(()) }
//! ```
//!
//! A [`Subject`] has the counters of the device's class as well.
//!
//! The program listens on a socket that is named after the device, in a directory that only its user may enter, and
//! answers that user and root. The directory is the first of these:
//!
//! - `$XDG_RUNTIME_DIR/dirql`, where the variable names a directory of the user's own;
//! - for root, `/run/dirql/telemetry`;
//! - `/run/user/UID/dirql`, where the user has a session;
//! - `/tmp/dirql-UID`, for whom has none, as a service: made with the same rights, and not used where it is another's.
//!
//! Who asks looks into each of these, because two programs may have different environments; root looks at every user's. A
//! socket that a killed program left is replaced by the next one.
//!
//! A request is a line, the answer one JSON document:
//!
//! - `counters`: a [`Report`]. What is driven does not notice.
//! - `statistics`: the same. For a few seconds after it, every section is timed.
//! - `trace SECONDS`: Chrome's trace events, as [`crate::trace::Timeline`] writes them; another line ends it early.
//!
//! An answer with the one key `error` says why there is no other.

mod ask;
mod claim;
mod openmetrics;
mod place;
mod report;
mod serve;
mod subject;

use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Uid;

pub use self::ask::Source;
pub use self::openmetrics::openmetrics;
pub use self::report::{Report, Shorter, Times, VectorTimes};
pub use self::serve::{Publisher, publish};
pub use self::subject::Subject;
use crate::{Error, ErrorKind, Result};

/// Refuses whoever is neither this process's user nor root.
fn peer_may_ask(peer: &UnixStream) -> Result<()> {
    let uid = user_of(peer)?;
    if uid == Uid::effective() || uid.is_root() { Ok(()) } else { Err(stranger(uid)) }
}

/// Who is at the other end.
fn user_of(peer: &UnixStream) -> Result<Uid> {
    let credentials = getsockopt(peer, PeerCredentials)
        .map_err(|errno| Error::os(errno, "look-up of who is at the other end of a socket"))?;
    Ok(Uid::from_raw(credentials.uid()))
}

fn stranger(uid: Uid) -> Error {
    Error::new(ErrorKind::Permission, "telemetry")
        .why(format!("the other end is user {uid}'s, not user {}'s", Uid::effective()))
        .fix("run the command as the user who drives the device, or as root")
}
