//! What both backends say of interrupts that were refused: in the field's names, which the host knows.

use nix::errno::Errno;

use super::IrqIndex;
use crate::host::{Host, IrqRequest};
use crate::{Address, Error};

/// A request that was refused, and how the function's interrupts were then.
pub struct Refused {
    pub index: IrqIndex,
    pub start: u32,
    pub count: u32,
    pub offered: Option<u32>,
    pub active: Option<(IrqIndex, u32)>,
}

impl Refused {
    pub fn explain(&self, host: &Host, address: Address, errno: Errno) -> Error {
        let Self { index, start, count, offered, active } = *self;
        let mode = index.to_string();
        let active = active.map(|(index, count)| (index.to_string(), count));
        let active = active.as_ref().map(|(mode, count)| (mode.as_str(), *count));
        host.explain_set_irqs(address, errno, &IrqRequest { mode: &mode, start, count, offered, active })
    }
}
