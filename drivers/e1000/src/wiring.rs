//! Which cause reaches which vector.
//!
//! With MSI-X each queue has causes of its own, one a direction, and as far as there are vectors, each of these has its own
//! too. The last vector is for all else: the link. Its handler alone reads ICR; a queue's does not touch the chip, because
//! the message itself clears its cause and masks it, until the queue is armed again.
//!
//! With one message, or the line, a single handler reads ICR, which clears it and masks the queue's causes. Two queues
//! cannot be told apart there, nor masked apart: so their causes stay on, and each interrupt wakes both.

use dirql::Result;
use dirql::interrupt::Mode;
use dirql::region::Bar;

use crate::chip::Chip;
use crate::register::{
    CTRL_EXT, CTRL_EXT_EIAME, CTRL_EXT_IAME, EIAC, EITR, IAM, INT_OTHER, INT_RXDMT0, INT_RXO, INT_RXQ0,
    INT_RXT0, INT_TXDW, INT_TXQ0, ITR, IVAR, IVAR_BITS, IVAR_VALID,
};

/// What a chip with one set of causes interrupts for when frames came.
const RECEIVED: u32 = INT_RXT0 | INT_RXDMT0 | INT_RXO;
/// What it interrupts for when frames have left.
const SENT: u32 = INT_TXDW;
/// The least time between two interrupts, in units of 256 ns: 20,000 a second, for pollers that do not rest.
const LEAST: u32 = 195;
/// Entries of IVAR for the queues; the one for all else is behind them.
const IVAR_QUEUES: u32 = 4;

/// A queue's causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causes {
    /// Frames came.
    pub received: u32,
    /// Frames have left.
    pub sent: u32,
}

/// The way of a chip's interrupts.
#[derive(Debug, Clone, Copy)]
pub struct Wiring {
    chip: &'static Chip,
    is_msix: bool,
    queues: u16,
    vectors: u16,
}

impl Wiring {
    /// How many vectors are wanted for so many queues.
    pub fn wanted(queues: u16) -> u16 {
        2 * queues + 1
    }

    /// The way over so many vectors of a mode, at least one.
    pub fn new(chip: &'static Chip, mode: Option<Mode>, queues: u16, vectors: u16) -> Self {
        let is_msix = chip.is_express && mode == Some(Mode::Msix);
        let vectors = if is_msix { vectors.clamp(1, Self::wanted(queues)) } else { 1 };
        Self { chip, is_msix, queues, vectors }
    }

    /// The vector for what is no queue's.
    pub fn other(&self) -> u16 {
        self.vectors - 1
    }

    /// The queue's two vectors, receiving first. Where there are too few, the last one is for several.
    fn queue(&self, queue: u16) -> [u16; 2] {
        [2 * queue, 2 * queue + 1].map(|vector| vector.min(self.other()))
    }

    /// Whether an interrupt of `vector` may be the queue's.
    pub fn serves(&self, vector: u16, queue: u16) -> bool {
        self.queue(queue).contains(&vector)
    }

    /// What the queue arms; `None` where its causes stay on.
    pub fn causes(&self, queue: u16) -> Option<Causes> {
        match (self.is_msix, self.queues) {
            (true, _) => Some(Causes { received: INT_RXQ0 << queue, sent: INT_TXQ0 << queue }),
            (false, 1) => Some(Causes { received: RECEIVED, sent: SENT }),
            (false, _) => None,
        }
    }

    /// What is never masked, beside the link.
    pub fn standing(&self) -> u32 {
        match (self.is_msix, self.queues) {
            (true, _) => INT_OTHER,
            (false, 1) => 0,
            (false, _) => RECEIVED | SENT,
        }
    }

    /// What the handler writes back to ICR, of what it read there: with MSI-X, reading does not clear it.
    pub fn acknowledged(&self) -> u32 {
        if self.is_msix { !self.automatic() } else { 0 }
    }

    /// The queues' causes, which clear and mask themselves.
    fn automatic(&self) -> u32 {
        let causes = (0..self.queues).filter_map(|queue| self.causes(queue));
        causes.fold(0, |all, causes| all | causes.received | causes.sent)
    }

    /// Tells the chip, while it stands still.
    ///
    /// # Errors
    /// Where a register cannot be accessed.
    pub fn program(&self, bar: &Bar) -> Result<()> {
        bar.write(ITR, LEAST)?;
        if !self.chip.is_express {
            return Ok(());
        }
        let extended = bar.read(CTRL_EXT)? & !(CTRL_EXT_IAME | CTRL_EXT_EIAME);
        bar.write(CTRL_EXT, extended | if self.is_msix { CTRL_EXT_EIAME } else { CTRL_EXT_IAME })?;
        bar.write(IVAR, if self.is_msix { self.allocation() } else { 0 })?;
        bar.write(EIAC, if self.is_msix { self.automatic() } else { 0 })?;
        bar.write(IAM, self.automatic())?;
        (0..self.vectors).try_for_each(|vector| bar.write(EITR.at(4 * u64::from(vector)), LEAST))
    }

    /// IVAR: the receive queues' vectors, the transmit queues', and the one for all else.
    fn allocation(&self) -> u32 {
        let entry = |entry: u32, vector: u16| (IVAR_VALID | u32::from(vector)) << (entry * IVAR_BITS);
        (0..self.queues).fold(entry(IVAR_QUEUES, self.other()), |all, queue| {
            let [received, sent] = self.queue(queue);
            let queue = u32::from(queue);
            all | entry(queue, received) | entry(IVAR_QUEUES / 2 + queue, sent)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::{I82540EM, I82574L};

    #[test]
    fn each_cause_has_a_vector_of_its_own_as_far_as_there_are_any() {
        let ivar = |queues, vectors| Wiring::new(&I82574L, Some(Mode::Msix), queues, vectors).allocation();
        assert_eq!(ivar(1, 5), 0xa_0908);
        assert_eq!(ivar(2, 5), 0xc_b9a8);
        assert_eq!(ivar(1, 2), 0x9_0908);
        assert_eq!(ivar(2, 1), 0x8_8888);
    }

    #[test]
    fn a_queue_arms_what_is_its_own_only() {
        let of = |chip, mode, queues, queue| Wiring::new(chip, Some(mode), queues, 5).causes(queue);
        assert_eq!(of(&I82540EM, Mode::Intx, 1, 0), Some(Causes { received: RECEIVED, sent: SENT }));
        assert_eq!(of(&I82574L, Mode::Msi, 2, 0), None);
        assert_eq!(of(&I82574L, Mode::Msix, 2, 1), Some(Causes { received: 1 << 21, sent: 1 << 23 }));
    }
}
