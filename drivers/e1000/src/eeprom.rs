//! The EEPROM, word by word through EERD: the chip's own address, and a checksum over the first 64 words.
//!
//! Source: 8254x Software Developer's Manual, 5.3.1 and 5.6; 82574 Datasheet, 10.2.2.4.

use std::time::Duration;

use dirql::class::net::Mac;
use dirql::region::Bar;
use dirql::{Error, ErrorKind, Result};

use crate::chip::Chip;
use crate::register::{EERD, EERD_DATA_SHIFT, EERD_START};

/// Words that the checksum covers, itself included.
const WORDS: u8 = 64;
/// What they add up to.
const CHECKSUM: u16 = 0xbaba;
/// A word takes some tens of microseconds.
const TIMEOUT: Duration = Duration::from_millis(100);

/// The word at `address`.
///
/// # Errors
/// `Device` where the chip does not deliver it.
pub fn word(bar: &Bar, chip: &Chip, address: u8) -> Result<u16> {
    bar.write(EERD, EERD_START | u32::from(address) << chip.eerd.address_shift)?;
    let read = bar.wait_for(EERD, TIMEOUT, |read| read & chip.eerd.done != 0)?;
    Ok((read >> EERD_DATA_SHIFT) as u16)
}

/// The address that the chip was given by its maker: words 0 to 2, low byte first.
///
/// # Errors
/// As [`word`]; `Device` where it is no station's address.
pub fn mac(bar: &Bar, chip: &Chip) -> Result<Mac> {
    let mut mac = Mac::default();
    for (bytes, address) in mac.0.chunks_exact_mut(2).zip(0..) {
        bytes.copy_from_slice(&word(bar, chip, address)?.to_le_bytes());
    }
    let group = mac.0[0] & 1 != 0;
    if group || mac == Mac::default() {
        return Err(Error::new(ErrorKind::Device, "reading of the EEPROM")
            .why(format!("its address {mac} is no station's: the EEPROM is blank or damaged")));
    }
    Ok(mac)
}

/// Adds up the words.
///
/// # Errors
/// As [`word`]; `Device` where the sum is not as it should be.
pub fn check(bar: &Bar, chip: &Chip) -> Result<()> {
    let sum = (0..WORDS)
        .try_fold(0_u16, |sum, address| Ok::<_, Error>(sum.wrapping_add(word(bar, chip, address)?)))?;
    if sum == CHECKSUM {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Device, "check of the EEPROM")
        .why(format!("its {WORDS} words add up to {sum:#06x}, not to {CHECKSUM:#06x}")))
}
