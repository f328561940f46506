//! What the interrupt handler owns: it lives inside the vector, and nothing reaches it but in a section.

use dirql::class::net::Mac;
use dirql::class::net::napi::Schedule;
use dirql::interrupt::Handled;
use dirql::region::Bar;
use dirql::synchronize::Completion;
use dirql::{Error, ErrorKind, Result};

use crate::link::{self, Link};
use crate::register::{
    ICR, IMS, INT_LSC, INT_MDAC, INT_RXDMT0, INT_RXO, INT_RXT0, INT_TXDW, ITR, MTA, MTA_ENTRIES, RAH, RAH_AV,
    RAL, RCTL, RCTL_BAM, RCTL_EN, RCTL_MPE, RCTL_SECRC, RCTL_UPE, RDTR, RECEIVE_ADDRESSES, RXCSUM, TCTL,
    TCTL_COLLISIONS, TCTL_EN, TCTL_PSP, TIPG, TIPG_COPPER,
};
use crate::statistics::Statistics;

/// What the chip may interrupt for, where it is armed.
const CAUSES: u32 = INT_RXT0 | INT_RXDMT0 | INT_RXO | INT_TXDW | INT_LSC;
/// Buffers of 2048 bytes, lengths without the check sequence; what is for this station or for all.
const RECEIVE: u32 = RCTL_EN | RCTL_BAM | RCTL_SECRC;
/// What is for others as well.
const PROMISCUOUS: u32 = RCTL_UPE | RCTL_MPE;
/// At most 20,000 interrupts a second, in units of 256 ns.
const THROTTLE: u32 = 195;

/// The link and the counters.
#[derive(Debug)]
pub struct State {
    pub bar: Bar,
    pub link: Link,
    pub statistics: Statistics,
    /// How often the chip had to put a frame off because it had no buffer.
    pub overruns: u64,
    /// Why the handler gave up.
    pub failure: Option<Error>,
    /// What RCTL was told last.
    receive_control: u32,
    schedule: Schedule,
    provoked: Completion,
}

impl State {
    /// The state of a chip that stands still. `schedule` is told of every interrupt, `provoked` of the one that the
    /// self-test causes.
    pub fn new(bar: Bar, schedule: Schedule, provoked: Completion) -> Result<Self> {
        Ok(Self {
            link: Link::new(&bar)?,
            statistics: Statistics::new(&bar)?,
            overruns: 0,
            failure: None,
            receive_control: RECEIVE,
            schedule,
            provoked,
            bar,
        })
    }

    /// Sets the chip going; bus mastering is on, and the rings are programmed.
    pub fn start(&mut self, mac: Mac) -> Result<()> {
        let bar = &self.bar;
        set_address(bar, mac)?;
        bar.write(RXCSUM, 0)?;
        bar.write(RDTR, 0)?;
        bar.write(ITR, THROTTLE)?;
        bar.write(TIPG, TIPG_COPPER)?;
        link::bring_up(bar)?;
        bar.write(IMS, INT_LSC)?;
        bar.write(TCTL, TCTL_EN | TCTL_PSP | TCTL_COLLISIONS)?;
        bar.write(RCTL, self.receive_control)
    }

    /// The interrupt handler. Reading ICR clears the causes, so that the line drops.
    pub fn handle(&mut self) -> Result<Handled> {
        let outcome = self.try_handle();
        if let Err(error) = &outcome {
            // Nothing more will come; who waits learns why.
            self.failure = Some(error.clone());
            self.schedule.fail(error.clone());
        }
        outcome
    }

    fn try_handle(&mut self) -> Result<Handled> {
        let causes = self.bar.read(ICR)?;
        if causes == u32::MAX {
            return Err(Error::new(ErrorKind::Device, "handling of an interrupt")
                .why(format!("register {ICR} reads as all ones: the device no longer answers")));
        }
        if causes & (CAUSES | INT_MDAC) == 0 {
            return Ok(Handled::No);
        }
        if causes & INT_LSC != 0 {
            self.link.look(&self.bar)?;
        }
        if causes & INT_RXO != 0 {
            self.overruns += 1;
        }
        if causes & INT_MDAC != 0 {
            self.provoked.complete();
        }
        self.schedule.schedule();
        Ok(Handled::Yes)
    }

    /// Receives what is for others too, or no longer.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<()> {
        let wanted = if on { RECEIVE | PROMISCUOUS } else { RECEIVE };
        if wanted != self.receive_control {
            self.bar.write(RCTL, wanted)?;
            self.receive_control = wanted;
        }
        Ok(())
    }
}

/// Makes the chip listen to this address and to no other, nor to any group.
fn set_address(bar: &Bar, Mac([a, b, c, d, e, f]): Mac) -> Result<()> {
    bar.write(RAL, u32::from_le_bytes([a, b, c, d]))?;
    bar.write(RAH, u32::from_le_bytes([e, f, 0, 0]) | RAH_AV)?;
    for other in 1..RECEIVE_ADDRESSES {
        bar.write(RAH.at(8 * other), 0)?;
        bar.write(RAL.at(8 * other), 0)?;
    }
    (0..MTA_ENTRIES).try_for_each(|entry| bar.write(MTA.at(4 * entry), 0))
}
