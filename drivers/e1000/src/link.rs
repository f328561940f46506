//! The link: what STATUS says of it, kept by the handler, and the PHY behind it.

use std::time::Duration;

use dirql::class::net;
use dirql::region::Bar;
use dirql::{Error, ErrorKind, Result};

use crate::register::{
    CTRL, CTRL_OFF, CTRL_SLU, MDIC, MDIC_ERROR, MDIC_PHY, MDIC_READ, MDIC_READY, MDIC_REGISTER_SHIFT,
    MDIC_WRITE, PHY_CONTROL, PHY_CONTROL_POWER_DOWN, STATUS, STATUS_FD, STATUS_LU, STATUS_SPEED_SHIFT,
};

/// An access to the PHY takes some tens of microseconds.
const MDIC_TIMEOUT: Duration = Duration::from_millis(100);

/// Lets the link come up, at the speed that the PHY agrees on, and says what else CTRL shall have.
///
/// # Errors
/// `Device` where the PHY does not answer.
pub fn bring_up(bar: &Bar, more: u32) -> Result<()> {
    bar.write(CTRL, bar.read(CTRL)? & !CTRL_OFF | CTRL_SLU | more)?;
    // The kernel's driver leaves the PHY without power when it goes.
    let control = phy(bar, PHY_CONTROL, MDIC_READ)?;
    if control & PHY_CONTROL_POWER_DOWN != 0 {
        phy(bar, PHY_CONTROL, MDIC_WRITE | control & !PHY_CONTROL_POWER_DOWN)?;
    }
    Ok(())
}

/// Reads or writes a register of the PHY: `operation` has the data to write.
fn phy(bar: &Bar, register: u32, operation: u32) -> Result<u32> {
    bar.write(MDIC, MDIC_PHY | register << MDIC_REGISTER_SHIFT | operation)?;
    let answer = bar.wait_for(MDIC, MDIC_TIMEOUT, |answer| answer & MDIC_READY != 0)?;
    if answer & MDIC_ERROR != 0 {
        let why = format!("the PHY does not know its register {register}");
        return Err(Error::new(ErrorKind::Device, "access to the PHY").why(why));
    }
    Ok(answer & 0xffff)
}

/// The link as it was last seen, and how often it was seen to change.
#[derive(Debug, Default)]
pub struct Link {
    status: u32,
    changes: u64,
}

impl Link {
    /// The link as it is when the device starts.
    ///
    /// # Errors
    /// Where STATUS cannot be read.
    pub fn new(bar: &Bar) -> Result<Self> {
        Ok(Self { status: bar.read(STATUS)?, changes: 0 })
    }

    /// Looks again: the chip has said that it changed. A change that was taken back by now is none.
    ///
    /// # Errors
    /// Where STATUS cannot be read.
    pub fn look(&mut self, bar: &Bar) -> Result<()> {
        let status = bar.read(STATUS)?;
        self.changes += u64::from((self.status ^ status) & STATUS_LU != 0);
        self.status = status;
        Ok(())
    }

    /// What a program is told.
    pub fn report(&self) -> net::Link {
        let up = self.status & STATUS_LU != 0;
        let speed = match self.status >> STATUS_SPEED_SHIFT & 3 {
            _ if !up => 0,
            0 => 10,
            1 => 100,
            _ => 1000,
        };
        net::Link { up, speed, full_duplex: up && self.status & STATUS_FD != 0, changes: self.changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_and_duplex_follow_status() {
        let report = |status| Link { status, changes: 3 }.report();
        assert_eq!(report(0x83), net::Link { up: true, speed: 1000, full_duplex: true, changes: 3 });
        assert_eq!(report(0x42).speed, 100);
        assert_eq!(report(0x02).speed, 10);
        assert_eq!(report(0x81), net::Link { up: false, speed: 0, full_duplex: false, changes: 3 });
    }
}
