//! What the chip itself can be tried for while it runs, without a frame on the wire.

use std::time::Duration;

use dirql::interrupt::Vector;
use dirql::region::Bar;
use dirql::selftest::Check;
use dirql::synchronize::Completion;
use dirql::{Error, ErrorKind, Result};

use crate::chip::Chip;
use crate::eeprom;
use crate::register::{ICS, IMC, IMS, INT_MDAC, RAL, RECEIVE_ADDRESSES};
use crate::state::State;

/// How long an interrupt may take from its cause to its handler.
const ARRIVAL: Duration = Duration::from_secs(2);

/// Tries the EEPROM, a register, an interrupt of the chip's own, and looks at the link. Traffic may go on meanwhile.
pub fn run(bar: &Bar, chip: &Chip, vector: &Vector<State>, provoked: &Completion) -> Vec<Check> {
    vec![
        Check::of("EEPROM checksum", eeprom::check(bar, chip).map(|()| "64 words add up to 0xbaba".into())),
        Check::of("register write and read", register(bar)),
        Check::of("interrupt by ICS", interrupt(bar, provoked)),
        link(vector),
    ]
}

/// The last receive address is not valid, so its value has no effect.
fn register(bar: &Bar) -> Result<String> {
    let scratch = RAL.at(8 * (RECEIVE_ADDRESSES - 1));
    for pattern in [0x5555_5555, 0xaaaa_aaaa, 0] {
        bar.write(scratch, pattern)?;
        let read = bar.read(scratch)?;
        if read != pattern {
            return Err(fail("register write and read", format!("{pattern:#x} reads back as {read:#x}")));
        }
    }
    Ok("three patterns read back".into())
}

/// Causes an interrupt in the chip, which takes the whole way to the handler.
fn interrupt(bar: &Bar, provoked: &Completion) -> Result<String> {
    provoked.reset();
    bar.write(IMS, INT_MDAC)?;
    bar.write(ICS, INT_MDAC)?;
    let arrived = provoked.wait(ARRIVAL);
    bar.write(IMC, INT_MDAC)?;
    if arrived {
        return Ok("the chip raised it and the handler ran".into());
    }
    Err(fail("interrupt by ICS", format!("it did not arrive within {} s", ARRIVAL.as_secs())))
}

/// A cable that is not there is no failure of the chip.
fn link(vector: &Vector<State>) -> Check {
    match vector.synchronize(|state| state.link.report()) {
        Ok(link) if !link.up => Check::absent("link", "down"),
        Ok(link) => Check::of("link", Ok(link.to_string())),
        Err(error) => Check::of("link", Err(error.into())),
    }
}

fn fail(what: &str, why: String) -> Error {
    Error::new(ErrorKind::Device, what).why(why)
}
