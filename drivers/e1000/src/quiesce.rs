//! Stopping the chip, whoever left it running, and seeing that it stands still.
//!
//! After a process was killed its rings are still enabled, at addresses that are mapped no longer or to something
//! else. So this comes before bus mastering is turned on. A reset alone does not do: emulated chips keep their rings
//! through CTRL.RST. Every register that could make the chip reach memory is written, and read back.

use std::time::Duration;

use dirql::region::{Bar, Register};
use dirql::{Error, ErrorKind, Result};

use crate::chip::Chip;
use crate::register::{
    CTRL, CTRL_RST, EIAC, IAM, ICR, IMC, IMS, IVAR, QUEUE, RCTL, RCTL_EN, RDBAH, RDBAL, RDH, RDLEN, RDT,
    TCTL, TCTL_EN, TDBAH, TDBAL, TDH, TDLEN, TDT,
};

/// How long a reset may take; the manual has it done within milliseconds.
const RESET_TIMEOUT: Duration = Duration::from_secs(1);
/// The chip does not answer sooner after a reset, and reads its EEPROM first.
const RESET_PAUSE: Duration = Duration::from_millis(5);

/// What says where the rings are, and how long.
const RINGS: [Register<u32>; 10] = [RDT, RDH, RDLEN, RDBAL, RDBAH, TDT, TDH, TDLEN, TDBAL, TDBAH];
/// What says which message a cause sends, and what it clears and masks.
const MESSAGES: [Register<u32>; 3] = [IVAR, EIAC, IAM];

/// Stops the chip, resets it, and clears its rings.
///
/// # Errors
/// `Device` where a register does not keep what was written: the chip may still be running.
pub fn quiesce(bar: &Bar, chip: &Chip) -> Result<()> {
    halt(bar, chip)?;
    bar.write(CTRL, bar.read(CTRL)? | CTRL_RST)?;
    std::thread::sleep(RESET_PAUSE);
    bar.wait_for(CTRL, RESET_TIMEOUT, |control| control & CTRL_RST == 0)?;
    // A chip that takes the reset comes up with its masks as the EEPROM says.
    halt(bar, chip)
}

/// Stops the chip: no interrupts, no receiving, no sending, no rings.
///
/// # Errors
/// As [`quiesce`].
pub fn halt(bar: &Bar, chip: &Chip) -> Result<()> {
    bar.write(IMC, u32::MAX)?;
    for (control, enabled) in [(RCTL, RCTL_EN), (TCTL, TCTL_EN)] {
        // Not written without need: each write to RCTL keeps an emulated chip from receiving for a second.
        if bar.read(control)? & enabled != 0 {
            bar.write(control, 0)?;
        }
        expect(bar, control, enabled)?;
    }
    let rings = || (0..u64::from(chip.queues)).flat_map(|queue| RINGS.map(|ring| ring.at(queue * QUEUE)));
    let messages = MESSAGES.into_iter().filter(|_| chip.is_express);
    for register in rings().chain(messages) {
        bar.write(register, 0)?;
    }
    // What was raised until now concerns nobody; the line drops.
    bar.read(ICR)?;
    expect(bar, IMS, u32::MAX)?;
    rings().try_for_each(|ring| expect(bar, ring, u32::MAX))
}

/// Checks that none of `bits` is set.
fn expect(bar: &Bar, register: Register<u32>, bits: u32) -> Result<()> {
    match bar.read(register)? {
        value if value & bits == 0 => Ok(()),
        value => Err(Error::new(ErrorKind::Device, "stopping of the chip")
            .why(format!("register {register} still reads {value:#x}"))),
    }
}
