//! Where a function sits: domain, bus, device, function.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind};

/// The address of a PCI function, printed as `DDDD:BB:DD.F`.
///
/// `BB:DD.F` is read as domain 0; a domain may have up to eight hexadecimal digits.
///
/// ```
/// let address: dirql::Address = "3:1f.7".parse().unwrap();
/// assert_eq!(address.to_string(), "0000:03:1f.7");
/// assert!("00:20.0".parse::<dirql::Address>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl Address {
    /// The address made of its parts.
    ///
    /// # Errors
    /// `InvalidArgument` where `device` exceeds 31 or `function` exceeds 7.
    pub fn new(domain: u32, bus: u8, device: u8, function: u8) -> crate::Result<Self> {
        if device > 0x1f || function > 7 {
            return Err(Error::new(ErrorKind::InvalidArgument, "making of a PCI address")
                .why(format!("device {device:#x} and function {function:#x} must lie below 0x20 and 0x8")));
        }
        Ok(Self { domain, bus, device, function })
    }

    /// The domain, also called segment.
    pub const fn domain(self) -> u32 {
        self.domain
    }

    /// The bus number.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device number on its bus, 0 to 31.
    pub const fn device(self) -> u8 {
        self.device
    }

    /// The function of its device, 0 to 7.
    pub const fn function(self) -> u8 {
        self.function
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::new(ErrorKind::InvalidArgument, format!("reading of the PCI address {text:?}"))
                .why("an address is DDDD:BB:DD.F or BB:DD.F in hexadecimal, as lspci prints it")
        };
        let hex = |part: &str, digits: usize| {
            let fits =
                !part.is_empty() && part.len() <= digits && part.bytes().all(|b| b.is_ascii_hexdigit());
            fits.then(|| u32::from_str_radix(part, 16).ok()).flatten().ok_or_else(malformed)
        };
        let (rest, function) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (rest, device) = rest.rsplit_once(':').ok_or_else(malformed)?;
        let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
        // Two hexadecimal digits fit a byte, one fits a nibble.
        let (bus, device, function) = (hex(bus, 2)? as u8, hex(device, 2)? as u8, hex(function, 1)? as u8);
        Self::new(hex(domain, 8)?, bus, device, function).map_err(|_| {
            malformed().why(format!("device {device:x} is above 1f, or function {function:x} above 7"))
        })
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_lspci_prints() {
        for (text, printed) in [
            ("0000:00:03.0", "0000:00:03.0"),
            ("00:1F.7", "0000:00:1f.7"),
            ("10000:e1:00.0", "10000:e1:00.0"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "3",
            "00:03",
            "00:20.0",
            "00:03.8",
            "0:0:0:0.0",
            "+0:03.0",
            "00:03.00",
            "g0:00.0",
            "::.",
            "é:0.0",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
