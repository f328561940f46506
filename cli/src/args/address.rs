//! Addresses as they are typed.

use std::net::Ipv4Addr;
use std::str::FromStr;

use dirql::class::net::Mac;

/// An IPv4 address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) =
            text.split_once('/').ok_or("an address and a length are needed, as in 10.0.2.15/24")?;
        let address: Ipv4Addr = address.parse().map_err(|_| format!("{address:?} is no IPv4 address"))?;
        let prefix =
            prefix.parse().ok().filter(|&prefix| prefix <= 32).ok_or("the length lies between 0 and 32")?;
        if !is_host(address) {
            return Err(format!("{address} cannot be the address of an interface"));
        }
        Ok(Self { address, prefix })
    }
}

/// Whether an address is that of one interface.
pub fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast())
}

/// Reads an Ethernet address, as in 52:54:00:12:34:56.
pub fn mac(text: &str) -> Result<Mac, String> {
    let byte = |word: &str| {
        (word.len() == 2 && !word.starts_with('+')).then(|| u8::from_str_radix(word, 16).ok()).flatten()
    };
    let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(Mac).ok_or_else(|| "six bytes are needed, as in 52:54:00:12:34:56".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_interface_in_its_network() {
        assert_eq!("10.0.2.15/24".parse(), Ok(Cidr { address: Ipv4Addr::new(10, 0, 2, 15), prefix: 24 }));
        for bad in
            ["", "10.0.2.15", "10.0.2.15/33", "10.0.2/24", "0.0.0.0/0", "224.0.0.1/4", "255.255.255.255/32"]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ethernet_address_is_six_bytes() {
        assert_eq!(mac("52:54:00:12:34:fE"), Ok(Mac([0x52, 0x54, 0, 0x12, 0x34, 0xfe])));
        for bad in ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "52:54:00:12:34:5", "52:54:00:12:34:+5"] {
            assert!(mac(bad).is_err(), "{bad}");
        }
    }
}
