//! A running program's vectors, to be asked for from outside: by `dirql irqs` and `dirql trace`.
//!
//! ```no_run
//! # fn main() -> dirql::Result<()> {
//! # let interrupts = dirql::Device::open("00:03.0".parse()?)?.interrupts(dirql::interrupt::Best)?;
//! let _published = dirql::telemetry::publish(interrupts.observer())?;
//! # Ok(()) }
//! ```
//!
//! The program listens on a socket in the abstract namespace, named after the device, and answers its own user and root.
//! A request is a line, the answer one JSON document:
//!
//! - `statistics`: a [`Report`] of every vector. For a few seconds after it, every section is timed.
//! - `trace SECONDS`: Chrome's trace events, as [`crate::trace::Timeline`] writes them; another line ends it early.
//!
//! An answer with the one key `error` says why there is no other.

mod ask;
mod serve;

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

pub use self::ask::Source;
pub use self::serve::{Publisher, publish};
use crate::interrupt::VectorStatistics;
use crate::{Address, Error, ErrorKind, Result};

/// What a program tells of its vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The device.
    pub address: Address,
    /// The program's process id.
    pub pid: u32,
    /// Its name.
    pub program: String,
    /// Its vectors.
    pub vectors: Vec<VectorStatistics>,
}

/// The name, in the abstract namespace, under which a program that drives the device listens.
fn name(address: Address) -> String {
    format!("dirql/{address}")
}

fn socket(address: Address) -> Result<SocketAddr> {
    SocketAddr::from_abstract_name(name(address))
        .map_err(|error| Error::io(&error, "naming of a telemetry socket").on(address))
}

/// Refuses whoever is neither this process's user nor root.
fn peer_may_ask(peer: &UnixStream) -> Result<()> {
    let uid = uid_of(peer)?;
    if uid == Uid::effective() || uid.is_root() { Ok(()) } else { Err(stranger(uid)) }
}

/// Refuses to believe a user who is neither this process's nor root; root reads what anybody says.
fn peer_may_answer(peer: &UnixStream) -> Result<()> {
    if Uid::effective().is_root() { Ok(()) } else { peer_may_ask(peer) }
}

fn uid_of(peer: &UnixStream) -> Result<Uid> {
    let credentials = getsockopt(peer, PeerCredentials)
        .map_err(|errno| Error::os(errno, "look-up of who is at the other end of a socket"))?;
    Ok(Uid::from_raw(credentials.uid()))
}

fn stranger(uid: Uid) -> Error {
    Error::new(ErrorKind::Permission, "telemetry")
        .why(format!("the other end is user {uid}'s, not user {}'s", Uid::effective()))
        .fix("run the command as the user who drives the device, or as root")
}
