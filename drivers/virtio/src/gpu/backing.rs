//! The memory behind a resource, which the device may read from the command that attaches it until it has answered one
//! that takes it away.
//!
//! By types, not by care: a [`Backing`] gives its memory only for a proof. Forgotten or dropped, it stays mapped until the
//! device is closed.

use dirql::Iova;
use dirql::dma::{Buffer, Exposed};
use dirql::zerocopy::FromBytes;

use super::command::{Answer, Command};
use crate::lifecycle::Quiet;

/// A resource's memory.
#[derive(Debug)]
#[must_use = "memory that is dropped while attached is lost until the device is closed"]
pub struct Backing {
    resource: u32,
    memory: Exposed,
}

/// Proof that the device reads a resource's memory no more.
#[derive(Debug)]
pub struct Detached {
    resource: u32,
}

impl Detached {
    /// The proof that an answer is: of a command that takes the memory away, and was fenced, so that it was done before it
    /// was answered.
    pub(super) fn by<E>(command: &Command, fence: Option<u64>, answer: &Result<Answer, E>) -> Option<Self> {
        match *command {
            Command::ResourceDetachBacking { resource } | Command::ResourceUnref { resource }
                if fence.is_some() && answer.is_ok() =>
            {
                Some(Self { resource })
            }
            _ => None,
        }
    }
}

impl Backing {
    /// Shows memory to the device, as that of a resource which it does not have yet.
    pub(super) fn new(resource: u32, memory: Buffer) -> Self {
        Self { resource, memory: memory.expose() }
    }

    /// Where the device finds it.
    pub fn iova(&self) -> Iova {
        self.memory.iova()
    }

    /// Its pixels, to write. The device sees that sooner or later.
    pub fn pixels(&mut self) -> &mut [u32] {
        // It is aligned to a page, or to a power of two that is no smaller than it.
        <[u32]>::mut_from_bytes(self.memory.bytes_mut()).unwrap_or_default()
    }

    /// The memory, which the device reads no more; or itself, where the proof is of another resource.
    pub(super) fn detached(self, proof: &Detached) -> Result<Buffer, Self> {
        if proof.resource == self.resource { Ok(self.memory.reclaim()) } else { Err(self) }
    }

    /// The memory, after the device was stopped.
    pub(super) fn stopped(self, _proof: &Quiet) -> Buffer {
        self.memory.reclaim()
    }
}
