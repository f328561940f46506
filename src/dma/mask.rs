//! How far a device's DMA reaches.

use crate::{Error, ErrorKind, Result};

/// How many address bits the device drives.
///
/// ```
/// use dirql::dma::DmaMask;
/// assert_eq!(DmaMask::bits(28).unwrap().last(), 0x0fff_ffff);
/// assert!(DmaMask::bits(0).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DmaMask(u64);

impl DmaMask {
    /// All 64 bits.
    pub const FULL: Self = Self(u64::MAX);

    /// The lowest `bits` bits, 12 to 64.
    ///
    /// # Errors
    /// `InvalidArgument` outside 12 to 64.
    pub fn bits(bits: u32) -> Result<Self> {
        match bits {
            12..=64 => Ok(Self(u64::MAX >> (64 - bits))),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "making of a DMA mask")
                .why(format!("{bits} bits are not between 12 and 64"))),
        }
    }

    /// The last address within reach.
    pub const fn last(self) -> u64 {
        self.0
    }
}
