//! Interrupt causes, and what they raise: the line, the message, or the message of a cause.
//!
//! Looking at the 82574L's ICR clears it only with IAME, or where nothing is unmasked; with MSI-X, the causes of queues are
//! cleared by their message as EIAC says, and masked as IAM says. Throttling is not modelled.

use dirql::backend::IrqIndex;
use dirql::backend::model::Bus;

use super::cause::{ACK, LSC, MDAC, RXDMT0, RXO, RXT0, TXDW};
use super::core::Core;
use super::register::{CTRL_EXT, EIAC, IAM, ICR, IMS, IVAR};

/// Frames came by the first queue; that of the second is next.
const RXQ0: u32 = 1 << 20;
/// Frames of the first queue have left; that of the second is next.
const TXQ0: u32 = 1 << 22;
const OTHER: u32 = 1 << 24;
/// What makes OTHER.
const OTHERS: u32 = LSC | RXO | MDAC | ACK;
const INT_ASSERTED: u32 = 1 << 31;

const EIAME: u32 = 1 << 24;
const IAME: u32 = 1 << 27;
/// The causes that IVAR knows, from its lowest entry on.
const ALLOCATED: [u32; 5] = [RXQ0, RXQ0 << 1, TXQ0, TXQ0 << 1, OTHER];

impl Core {
    fn is_msix(&self, bus: &Bus) -> bool {
        self.is_express && bus.interrupts() == Some(IrqIndex::Msix)
    }

    /// The cause of a frame that came by a queue, where few descriptors are left or not.
    pub fn received(&self, bus: &Bus, queue: u64, scarce: bool) -> u32 {
        match (self.is_msix(bus), scarce) {
            (true, _) => RXQ0 << queue,
            (false, true) => RXT0 | RXDMT0,
            (false, false) => RXT0,
        }
    }

    /// The cause of a descriptor of a queue that was written back.
    pub fn written_back(&self, bus: &Bus, queue: u64) -> u32 {
        if self.is_msix(bus) { TXQ0 << queue } else { TXDW }
    }

    /// Adds causes, and raises what they raise.
    pub fn raise(&mut self, bus: &Bus, causes: u32) {
        self.set(ICR, self.get(ICR) | causes);
        self.drive(bus);
    }

    pub fn drive(&mut self, bus: &Bus) {
        if !self.is_express {
            return bus.set_line(self.get(ICR) & self.get(IMS) != 0);
        }
        if self.is_msix(bus) && self.get(ICR) & OTHERS != 0 {
            self.set(ICR, self.get(ICR) | OTHER);
        }
        let pending = self.get(ICR) & self.get(IMS) & !INT_ASSERTED;
        self.told &= pending;
        let new = pending & !self.told;
        match bus.interrupts() {
            Some(IrqIndex::Msix) => {
                self.told |= new;
                self.send_messages(bus, new);
            }
            Some(IrqIndex::Msi) => {
                self.told |= new;
                if new != 0 {
                    bus.message(0);
                }
            }
            _ => bus.set_line(pending != 0),
        }
        let causes = self.get(ICR) & !INT_ASSERTED;
        self.set(ICR, if causes != 0 { causes | INT_ASSERTED } else { 0 });
    }

    fn send_messages(&mut self, bus: &Bus, causes: u32) {
        for (entry, cause) in ALLOCATED.into_iter().enumerate().filter(|(_, cause)| causes & cause != 0) {
            let allocation = self.get(IVAR) >> (4 * entry);
            if allocation & 1 << 3 != 0 {
                bus.message(allocation & 7);
            }
            if self.get(CTRL_EXT) & EIAME != 0 {
                self.set(IMS, self.get(IMS) & !(self.get(IAM) & cause));
            }
            let cleared = self.get(EIAC) & cause;
            self.set(ICR, self.get(ICR) & !cleared);
            self.told &= !cleared;
        }
    }

    /// ICR was read.
    pub fn cause_read(&mut self, bus: &Bus) {
        let masks = self.get(CTRL_EXT) & IAME != 0 && self.get(ICR) & INT_ASSERTED != 0;
        if !self.is_express || masks || self.get(IMS) == 0 {
            self.set(ICR, 0);
        }
        if self.is_express && masks {
            self.set(IMS, self.get(IMS) & !self.get(IAM));
        }
        self.drive(bus);
    }

    /// ICR is written: ones clear.
    pub fn cause_write(&mut self, bus: &Bus, value: u32) {
        if self.is_express && self.get(CTRL_EXT) & IAME != 0 && self.get(ICR) & INT_ASSERTED != 0 {
            self.set(IMS, self.get(IMS) & !self.get(IAM));
        }
        self.set(ICR, self.get(ICR) & !value);
        self.drive(bus);
    }
}
